"""What the twins share: the command line, the loop, the line that is printed. A twin trains the network of the example of its
name with PyTorch, on the same data, split and batches a step, with the same optimizer, schedule and number of steps:

  python bench/peers/twins/cnn_mnist.py --data FOLDER
"""
import argparse
import math
import time

import torch


def arguments(about, epochs=0, steps=0, batch=32):
    p = argparse.ArgumentParser(description=about)
    p.add_argument("--data", required=True, help="as the example's")
    p.add_argument("--epochs", type=int, default=epochs)
    p.add_argument("--steps", type=int, default=steps)
    p.add_argument("--batch", type=int, default=batch)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--threads", type=int, default=1)
    o = p.parse_args()
    torch.set_num_threads(o.threads)
    torch.manual_seed(o.seed)
    return o


def one_cycle(optimizer, total, pct_start=0.3):
    return torch.optim.lr_scheduler.OneCycleLR(optimizer, optimizer.defaults["lr"], total, pct_start, cycle_momentum=False)


def cosine(optimizer, total):
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, total)


def batches_of(count, batch, drop_last=False):
    """Rows of one shuffled epoch, batch by batch."""
    order = torch.randperm(count)
    return [rows for rows in order.split(batch) if not drop_last or len(rows) == batch]


def train(o, net, optimizer, schedule, epoch, clip=None):
    """`epoch()` gives the losses of one epoch, one at a time; `schedule(optimizer, total steps)` the learning rates."""
    total = o.steps or o.epochs * epoch.batches
    rates, step, begin = schedule(optimizer, total), 0, time.time()
    net.train()
    while step < total:
        for loss in epoch():
            optimizer.zero_grad()
            loss.backward()
            if clip:
                torch.nn.utils.clip_grad_norm_(net.parameters(), clip)
            optimizer.step()
            rates.step()
            step += 1
            if step == total:
                break
    net.eval()
    return time.time() - begin


class Epoch:
    """Losses over rows: loss_of(rows) of each batch."""

    def __init__(self, count, batch, loss_of, drop_last=False):
        self.count, self.batch, self.loss_of, self.drop_last = count, batch, loss_of, drop_last
        self.batches = count // batch if drop_last else math.ceil(count / batch)

    def __call__(self):
        return (self.loss_of(rows) for rows in batches_of(self.count, self.batch, self.drop_last))


@torch.no_grad()
def accuracy(net, x, y):
    return sum((net(a).argmax(1) == b).sum().item() for a, b in zip(x.split(250), y.split(250))) / len(y)


def say(metric, value, net, seconds):
    print("PyTorch %s: %s %.4f, %d parameters, %.0f s" % (torch.__version__.split("+")[0], metric, value,
                                                       sum(p.numel() for p in net.parameters()), seconds))
