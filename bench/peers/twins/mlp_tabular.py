"""The twin of examples/tables/mlp_tabular.cpp: --data is the folder of adult-train.csv and adult-test.csv."""
import csv

import torch
from torch import nn
from torch.nn.functional import cross_entropy

import twin

NUMBERS, CATEGORIES = (0, 2, 4, 10, 11, 12), (1, 3, 5, 6, 7, 8, 9, 13)


def load(path):
    return [row for row in csv.reader(open(path), skipinitialspace=True) if row]


class Net(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(n, 8) for n in sizes)
        self.rest = nn.Sequential(nn.Linear(6 + 8 * len(sizes), 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 64), nn.ReLU(),
                                  nn.Dropout(0.2), nn.Linear(64, 2))

    def forward(self, x):
        return self.rest(torch.cat([x[:, :6]] + [e(x[:, 6 + k].long()) for k, e in enumerate(self.embeddings)], 1))


o = twin.arguments(__doc__, epochs=8, batch=128)
learned, held_out = load(o.data + "/adult-train.csv"), load(o.data + "/adult-test.csv")
known = [{name: k + 1 for k, name in enumerate(sorted({row[c] for row in learned} - {"?"}))} for c in CATEGORIES]
raw = torch.tensor([[float(row[c]) for c in NUMBERS] for row in learned])
mean, deviation = raw.mean(0), raw.std(0, unbiased=False) + 1e-6


def encoded(rows):
    numbers = (torch.tensor([[float(row[c]) for c in NUMBERS] for row in rows]) - mean) / deviation
    places = torch.tensor([[float(k.get(row[c], 0)) for c, k in zip(CATEGORIES, known)] for row in rows])
    return torch.cat([numbers, places], 1), torch.tensor([int(row[14].startswith(">50K")) for row in rows])


(x, y), test = encoded(learned), encoded(held_out)
net = Net([len(k) + 1 for k in known])
epoch = twin.Epoch(len(x), o.batch, lambda rows: cross_entropy(net(x[rows]), y[rows]))
seconds = twin.train(o, net, torch.optim.AdamW(net.parameters(), 2e-3), twin.cosine, epoch)
twin.say("accuracy", twin.accuracy(net, *test), net, seconds)
