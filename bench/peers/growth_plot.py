"""The figure beside the table of growth: a training step's time over the smallest one's, against its multiply-adds over theirs."""
import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot  # noqa: E402 (the backend comes first)

TICKS = [1, 2, 4, 8, 16, 32, 64]


def draw(groups, path):
    """groups: {(network, what grows, threads): rows of gradus_bench --growth}. The diagonal is time as the multiply-adds."""
    matplotlib.rcParams.update({"svg.hashsalt": "gradus", "svg.fonttype": "none", "font.size": 9})
    networks = list(dict.fromkeys(network for network, _, _ in groups))
    kinds = list(dict.fromkeys(what for _, what, _ in groups))
    fewest = min(threads for _, _, threads in groups)
    figure, axes = pyplot.subplots(1, len(networks), figsize=(2.6 * len(networks), 3), sharey=True, squeeze=False, layout="constrained")
    for network, panel in zip(networks, axes[0]):
        panel.plot(TICKS, TICKS, color="0.8", label="as the multiply-adds")
        for (of, what, threads), rows in groups.items():
            if of == network:
                panel.plot([r["gflop"] / rows[0]["gflop"] for r in rows], [r["median"] / rows[0]["median"] for r in rows],
                           marker=".", color="C%d" % kinds.index(what), linestyle="-" if threads == fewest else "--",
                           label=what + ("" if threads == fewest else ", %d threads" % threads))
        panel.set(title=network, xscale="log", yscale="log", xlabel="multiply-adds, times the smallest")
        for axis in (panel.xaxis, panel.yaxis):
            axis.set_ticks(TICKS, [str(t) for t in TICKS])
            axis.set_ticks([], minor=True)
    axes[0][0].set_ylabel("time, times the smallest")
    axes[0][-1].legend(fontsize=7)
    figure.savefig(path, metadata={"Date": None})
