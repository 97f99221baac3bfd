"""The twin of examples/images/cnn_mnist.cpp: --data is the folder of MNIST's four files (.gz)."""
import gzip

import torch
from torch import nn
from torch.nn.functional import cross_entropy

import twin


def idx(path, header):
    with gzip.open(path) as f:
        return torch.frombuffer(bytearray(f.read()[header:]), dtype=torch.uint8)


def load(folder, part):
    images = idx("%s/%s-images-idx3-ubyte.gz" % (folder, part), 16).view(-1, 1, 28, 28) / 255
    return images, idx("%s/%s-labels-idx1-ubyte.gz" % (folder, part), 8).long()


o = twin.arguments(__doc__, epochs=5, batch=64)
(x, y), test = load(o.data, "train"), load(o.data, "t10k")
net = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                    nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                    nn.Linear(32 * 7 * 7, 128), nn.ReLU(), nn.Dropout(0.25), nn.Linear(128, 10))
epoch = twin.Epoch(len(x), o.batch, lambda rows: cross_entropy(net(x[rows]), y[rows]))
seconds = twin.train(o, net, torch.optim.AdamW(net.parameters(), 3e-3), twin.one_cycle, epoch)
twin.say("accuracy", twin.accuracy(net, *test), net, seconds)
