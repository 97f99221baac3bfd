"""The twin of examples/images/resnet_cifar.cpp: --data is a folder with CIFAR-10's binary files."""
import glob

import torch
from torch import nn
from torch.nn import functional as F

import twin


def load(pattern):
    data = b"".join(open(path, "rb").read() for path in sorted(glob.glob(pattern)))
    rows = torch.frombuffer(bytearray(data), dtype=torch.uint8).view(-1, 3073)
    return rows[:, 1:].reshape(-1, 3, 32, 32) / 255, rows[:, 0].long()


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
        self.conv2, self.norm2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)
        self.more, self.stride = outputs - inputs, stride

    def forward(self, x):
        y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        return F.relu(y + (x if self.stride == 1 else F.pad(F.avg_pool2d(x, 2), (0, 0, 0, 0, 0, self.more))))


def resnet(width=16, depth=3):
    layers, inputs = [nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()], width
    for outputs in (width, 2 * width, 4 * width):
        for _ in range(depth):
            layers.append(Block(inputs, outputs, 1 if inputs == outputs else 2))
            inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, 10))


def changed(x):
    """Each image mirrored or not, and moved by up to 4 pixels each way."""
    x = torch.where(torch.rand(len(x), 1, 1, 1) < 0.5, x.flip(3), x)
    padded, places = F.pad(x, (4, 4, 4, 4)), torch.randint(0, 9, (len(x), 2)).tolist()
    return torch.stack([image[:, a:a + 32, b:b + 32] for image, (a, b) in zip(padded, places)])


def normal(x):
    return (x - 0.47) / 0.25


o = twin.arguments(__doc__, epochs=16, batch=64)
(x, y), test = load(o.data + "/data_batch_*.bin"), load(o.data + "/test_batch.bin")
net = resnet()
epoch = twin.Epoch(len(x), o.batch, lambda rows: F.cross_entropy(net(normal(changed(x[rows]))), y[rows]), drop_last=True)
sgd = torch.optim.SGD(net.parameters(), 0.2, momentum=0.9, nesterov=True, weight_decay=5e-4)
seconds = twin.train(o, net, sgd, twin.one_cycle, epoch)
twin.say("accuracy", twin.accuracy(net, normal(test[0]), test[1]), net, seconds)
