"""The twin of examples/speech/gru_speech.cpp: --data is the folder of the Free Spoken Digit Dataset's recordings."""
import glob
import os
import wave

import torch
from torch import nn
from torch.nn.functional import cross_entropy

import twin

WINDOW, HOP, MELS, FRAMES, RATE = 256, 128, 40, 64, 8000


def mel(hertz):
    return 2595 * torch.log10(1 + torch.as_tensor(hertz, dtype=torch.float64) / 700)


def triangles():
    low, step = mel(50.0), (mel(RATE / 2) - mel(50.0)) / (MELS + 1)
    at = (mel(torch.arange(WINDOW // 2 + 1) * RATE / WINDOW) - low) / step
    return (1 - (at[:, None] - torch.arange(1, MELS + 1)).abs()).clamp(min=0).float()


def log_mel(path):
    with wave.open(path) as f:
        x = torch.frombuffer(bytearray(f.readframes(f.getnframes())), dtype=torch.int16) / 32768
    x = torch.cat([x, torch.zeros(max(0, WINDOW - len(x)))])
    power = torch.fft.rfft(x.unfold(0, WINDOW, HOP) * torch.hann_window(WINDOW)).abs() ** 2
    heard = torch.log(1e-6 + power @ triangles())[:FRAMES]
    return torch.cat([heard, torch.full((FRAMES - len(heard), MELS), -13.8)])


def load(folder, train):
    paths = [p for p in sorted(glob.glob(folder + "/*.wav")) if (int(p[:-4].rsplit("_", 1)[1]) >= 5) == train]
    return torch.stack([log_mel(p) for p in paths]), torch.tensor([int(os.path.basename(p)[0]) for p in paths])


class Net(nn.Module):
    def __init__(self, hidden=96):
        super().__init__()
        self.norm, self.output = nn.LayerNorm(MELS), nn.Sequential(nn.Dropout(0.3), nn.Linear(2 * hidden, 10))
        self.gru = nn.GRU(MELS, hidden, 2, dropout=0.2, bidirectional=True, batch_first=True)

    def forward(self, x):
        return self.output(self.gru(self.norm(x))[0].mean(1))


o = twin.arguments(__doc__, epochs=10)
(x, y), test = load(o.data, True), load(o.data, False)
net = Net()
epoch = twin.Epoch(len(x), o.batch, lambda rows: cross_entropy(net(x[rows]), y[rows]))
seconds = twin.train(o, net, torch.optim.AdamW(net.parameters(), 4e-3), twin.one_cycle, epoch, clip=1)
twin.say("accuracy", twin.accuracy(net, *test), net, seconds)
