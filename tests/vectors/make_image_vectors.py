#!/usr/bin/env python3
"""Writes images/* and images.safetensors beside it: small image files, what Pillow reads in them, and what PyTorch's
antialiased bilinear interpolation makes of one. Needs Pillow, torch, safetensors."""
import pathlib

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import save_file

here = pathlib.Path(__file__).parent
folder = here / "images"
folder.mkdir(exist_ok=True)
random = np.random.default_rng(1)

h, w = 9, 12
rgb = random.integers(0, 256, (h, w, 3), dtype=np.uint8)
y, x = np.mgrid[0:h, 0:w]
smooth = np.stack([20 * x, 25 * y, 9 * (x + y)], axis=-1).astype(np.uint8)
alpha = np.concatenate([rgb, random.integers(0, 256, (h, w, 1), dtype=np.uint8)], axis=-1)

Image.fromarray(rgb).save(folder / "colour.png")
Image.fromarray(rgb[:, :, 0]).save(folder / "grey.png")
Image.fromarray(alpha).save(folder / "alpha.png")
Image.fromarray(smooth).quantize(16).save(folder / "palette.png")
Image.fromarray(rgb[:, :, 0] > 127).save(folder / "bits.png")
Image.fromarray(smooth).save(folder / "colour.jpg", quality=90)
Image.fromarray(smooth).save(folder / "progressive.jpg", quality=90, progressive=True)
Image.fromarray(smooth[:, :, 0]).save(folder / "grey.jpg", quality=90)
Image.fromarray(smooth).convert("CMYK").save(folder / "cmyk.jpg", quality=50)
Image.fromarray(rgb).save(folder / "colour.ppm")
Image.fromarray(rgb[:, :, 0]).save(folder / "grey.pgm")

expected = {}
for path in sorted(folder.iterdir()):
    if path.name == "cmyk.jpg":
        continue
    image = Image.open(path)
    grey = image.mode in ("1", "L")
    pixels = np.asarray(image.convert("L" if grey else "RGB"))
    expected[path.name] = np.ascontiguousarray(pixels[None] if grey else pixels.transpose(2, 0, 1))
expected["luma"] = np.asarray(Image.fromarray(rgb).convert("L"))[None]

source = torch.from_numpy(expected["colour.png"]).double()[None]
for size in ((4, 5), (20, 30), (9, 3), (1, 1), (13, 12)):
    resized = torch.nn.functional.interpolate(source, size=size, mode="bilinear", antialias=True)
    expected[f"resized_{size[0]}x{size[1]}"] = resized[0].numpy()
save_file(expected, here / "images.safetensors")
