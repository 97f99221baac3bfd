"""The twin of examples/text/lstm_text.cpp: --data is a text; its last tenth is held out."""
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import twin

UNROLL = 64


class Net(nn.Module):
    def __init__(self, symbols, hidden=256):
        super().__init__()
        self.embedding, self.lstm = nn.Embedding(symbols, hidden), nn.LSTM(hidden, hidden, batch_first=True)
        self.output = nn.Linear(hidden, symbols)

    def forward(self, x, state):
        y, (h, c) = self.lstm(self.embedding(x), state)
        return self.output(y).flatten(0, 1), (h.detach(), c.detach())


class Streams:
    """The text in `rows` streams side by side; the state goes on from batch to batch, and in the next epoch."""

    def __init__(self, net, ids, rows):
        each = len(ids) // rows
        self.net, self.ids, self.batches, self.state = net, ids[:each * rows].view(rows, each), (each - 1) // UNROLL, None

    def __call__(self):
        for k in range(0, self.batches * UNROLL, UNROLL):
            scores, self.state = self.net(self.ids[:, k:k + UNROLL], self.state)
            yield cross_entropy(scores, self.ids[:, k + 1:k + 1 + UNROLL].flatten())


o = twin.arguments(__doc__, epochs=3)
text = open(o.data, "rb").read()
known = {byte: k for k, byte in enumerate(sorted(set(text)))}
ids, cut = torch.tensor([known[byte] for byte in text]), len(text) * 9 // 10
net = Net(len(known))
seconds = twin.train(o, net, torch.optim.Adam(net.parameters(), 5e-3), twin.cosine, Streams(net, ids[:cut], o.batch), clip=1)
with torch.no_grad():
    losses = [loss.item() for loss in Streams(net, ids[cut:], o.batch)()]
twin.say("loss", sum(losses) / len(losses), net, seconds)
