"""The twin of examples/text/gpt_text.cpp: --data is a text; its last tenth is held out."""
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import twin

CONTEXT = 128


class Gpt(nn.Module):
    def __init__(self, symbols, width=128, heads=4, layers=4):
        super().__init__()
        self.token, self.place = nn.Embedding(symbols, width), nn.Embedding(CONTEXT, width)
        for e in (self.token, self.place):
            nn.init.normal_(e.weight, std=0.02)
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)
        self.head = nn.Linear(width, symbols, bias=False)
        self.mask = nn.Transformer.generate_square_subsequent_mask(CONTEXT)

    def forward(self, x):
        return self.head(self.blocks(self.token(x) + self.place(torch.arange(CONTEXT)), self.mask, is_causal=True))


o = twin.arguments(__doc__, steps=2000, batch=16)
text = open(o.data, "rb").read()
known = {byte: k for k, byte in enumerate(sorted(set(text)))}
ids, cut = torch.tensor([known[byte] for byte in text]), len(text) * 9 // 10
windows = ids[:cut].unfold(0, CONTEXT + 1, 1)
held_out = ids[cut:].unfold(0, CONTEXT + 1, CONTEXT)
net = Gpt(len(known))


def loss_of(rows):
    return cross_entropy(net(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())


adamw = torch.optim.AdamW(net.parameters(), 2e-3, betas=(0.9, 0.95), weight_decay=0.1)
epoch = twin.Epoch(len(windows), o.batch, lambda rows: loss_of(windows[rows]), drop_last=True)
seconds = twin.train(o, net, adamw, lambda optimizer, total: twin.one_cycle(optimizer, total, 0.1), epoch, clip=1)
with torch.no_grad():
    loss = sum(loss_of(rows).item() * len(rows) for rows in held_out.split(o.batch)) / len(held_out)
twin.say("loss", loss, net, seconds)
