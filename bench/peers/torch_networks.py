"""The twins of bench/networks.h and bench/workloads_ops.cpp: networks, batches and single ops of W3 to W6 and W8."""
import torch
from torch import nn
from torch.nn import functional as F


def lenet():
    return nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Flatten(), nn.Linear(1568, 128), nn.ReLU(), nn.Linear(128, 10))


def mnist_example():
    return nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25),
                         nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10))


class ResidualBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)
        changed = stride != 1 or inputs != outputs
        self.skip = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)) if changed else nn.Identity()

    def forward(self, x):
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + self.skip(x))


def resnet20():
    layers = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    width = 16
    for outputs in (16, 32, 64):
        for _ in range(3):
            layers.append(ResidualBlock(width, outputs, 2 if outputs != width else 1))
            width = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


class CharRnn(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.embed, self.rnn, self.head = nn.Embedding(65, 64), kind(64, 256, batch_first=True), nn.Linear(256, 65)

    def forward(self, ids):
        return self.head(self.rnn(self.embed(ids))[0]).flatten(0, 1)


class RowRnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.head = nn.LSTM(28, 64, batch_first=True), nn.Linear(64, 10)

    def forward(self, x):
        return self.head(self.rnn(x)[0][:, -1])


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.qkv, self.out = heads, nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        n, t, width = x.shape
        q, k, v = (z.reshape(n, t, self.heads, -1).transpose(1, 2) for z in self.qkv(x).split(width, 2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(y.transpose(1, 2).reshape(n, t, width))


class GptLayer(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.attention, self.norm2 = nn.LayerNorm(width), Attention(width, heads), nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.feed_forward(self.norm2(x))


class Gpt(nn.Module):
    def __init__(self, width=128, heads=4, layers=4, context=128, vocabulary=65):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocabulary, width), nn.Parameter(0.02 * torch.randn(context, width))
        self.body = nn.Sequential(*(GptLayer(width, heads) for _ in range(layers)), nn.LayerNorm(width))
        self.head = nn.Linear(width, vocabulary, bias=False)

    def forward(self, ids):
        return self.head(self.body(self.tokens(ids) + self.positions[:ids.shape[1]])).flatten(0, 1)


def images(*shape):
    return lambda: (torch.randn(*shape), torch.randint(0, 10, (shape[0],)))


def characters(n, length):
    return lambda: (torch.randint(0, 65, (n, length)), torch.randint(0, 65, (n * length,)))


# network, optimizer, batches, what makes one
TRAINING = {
    "W3_lenet_adam": (lenet, "adam", 8, images(64, 1, 28, 28)),
    "W3_mnist_example_adam": (mnist_example, "adam", 8, images(64, 1, 28, 28)),
    "W4_resnet20_momentum": (resnet20, "momentum", 4, images(32, 3, 32, 32)),
    "W5_lstm_char": (lambda: CharRnn(nn.LSTM), "adam", 8, characters(32, 64)),
    "W5_gru_char": (lambda: CharRnn(nn.GRU), "adam", 8, characters(32, 64)),
    "W5_lstm_rows": (RowRnn, "adam", 8, images(64, 28, 28)),
    "W6_gpt_adamw": (Gpt, "adamw", 4, characters(16, 128)),
}

LARGE = (4096, 1024)
OPS = {
    "softmax": (LARGE, lambda x, y: torch.softmax(x, 1)),
    "layernorm": (LARGE, lambda x, y: F.layer_norm(x, (1024,))),
    "gelu": (LARGE, lambda x, y: F.gelu(x)),
    "exp": (LARGE, lambda x, y: torch.exp(x)),
    "tanh": (LARGE, lambda x, y: torch.tanh(x)),
    "add": (LARGE, lambda x, y: x + y),
    "sum": (LARGE, lambda x, y: x.sum()),
    "sum_rows": (LARGE, lambda x, y: x.sum(1)),
    "sum_cols": (LARGE, lambda x, y: x.sum(0)),
    "matmul512": ((512, 512), lambda x, y: x @ y),
    "bmm64": ((64, 64, 64), lambda x, y: torch.bmm(x, y)),
}
CONVOLUTIONS = {"n%d_%dx%dx%d_to%d" % (n, c, s, s, o): (n, c, s, o)
                for n, c, s, o in ((32, 3, 32, 16), (32, 16, 32, 16), (32, 32, 16, 32), (32, 64, 8, 64), (4, 64, 56, 64))}


def op(workload, layout):
    name = workload[3:]
    if name in OPS:
        shape, f = OPS[name]
        x, y = torch.randn(*shape), torch.randn(*shape)

        def unrecorded():
            with torch.no_grad():
                f(x, y)
        return unrecorded
    n, channels, size, outputs = CONVOLUTIONS[name[5:].rsplit("_", 1)[0]]
    memory = {"memory_format": torch.channels_last} if layout == "channels_last" else {}
    x, w, b, seed = (torch.randn(n, channels, size, size).to(**memory), torch.randn(outputs, channels, 3, 3).to(**memory),
                     torch.randn(outputs), torch.randn(n, outputs, size, size).to(**memory))
    if name.endswith("_fwd"):
        def forward():
            with torch.no_grad():
                torch.conv2d(x, w, b, padding=1)
        return forward
    for t in (x, w, b):
        t.requires_grad_()

    def both():
        x.grad = w.grad = b.grad = None
        torch.conv2d(x, w, b, padding=1).backward(seed)
    return both
