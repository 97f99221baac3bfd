#!/usr/bin/env python3
"""tensorboard_reader.py GRADUS_TESTS: TensorBoard's own reader returns every scalar, histogram, image and text that the test case
"an event file for TensorBoard's reader" (tests/train/event_file_test.cpp) wrote. By hand: it needs the packages tensorboard,
numpy and pillow.
"""
import io
import math
import os
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util import tensor_util

COUNT = 100
with tempfile.TemporaryDirectory() as folder:
    subprocess.run([sys.argv[1], "--no-skip", "--test-case=an event file for TensorBoard's reader"], check=True,
                   env=dict(os.environ, GRADUS_TEST_FOLDER=folder), stdout=subprocess.DEVNULL)
    read = EventAccumulator(folder, {"scalars": 0, "images": 0, "histograms": 0, "tensors": 0}).Reload()

loss, accuracy = read.Scalars("loss"), read.Scalars("accuracy")
assert [(e.step, e.value) for e in loss] == [(i, np.float32(1 / (i + 1))) for i in range(COUNT)]
assert [(e.step, e.value) for e in accuracy[:-1]] == [(1000000007 * i, float(i)) for i in range(COUNT - 1)]
assert len(accuracy) == COUNT and math.isnan(accuracy[-1].value)

texts = read.Tensors("note/text_summary") if "note/text_summary" in read.Tags()["tensors"] else read.Tensors("note")
assert [(e.step, tensor_util.make_ndarray(e.tensor_proto).item().decode()) for e in texts] == [
    (i, "**%d** \u00fc" % i) for i in range(COUNT)]

histograms = read.Histograms("weights")
assert [e.step for e in histograms] == list(range(COUNT))
for i, e in enumerate(histograms):
    x, h, buckets = np.array([-1.0 * i, 0, 0.5, 1, 2.0 * i]), e.histogram_value, 1 + i % 40
    assert (h.min, h.max, h.num, h.sum, h.sum_squares) == (x.min(), x.max(), 5, x.sum(), (x * x).sum()), i
    counts, _ = np.histogram(x, buckets, (x.min(), x.max()))
    assert len(h.bucket) == buckets and sum(h.bucket) == 5 and max(abs(np.cumsum(h.bucket) - np.cumsum(counts))) <= 1, i

images = read.Images("picture")
assert [e.step for e in images] == list(range(COUNT))
for i, e in enumerate(images):
    pixels = (np.arange(60) * 7 + i).astype(np.uint8).reshape(3, 5, 4)
    expected = pixels.transpose(1, 2, 0) if i % 2 else pixels[0]
    assert (e.height, e.width) == (5, 4) and np.array_equal(np.asarray(Image.open(io.BytesIO(e.encoded_image_string))), expected), i

print("TensorBoard returned %d scalars, %d histograms, %d images, %d texts, all as written"
      % (len(loss) + len(accuracy), len(histograms), len(images), len(texts)))
