"""Times a whole training step of the published Python tools for sparse autoencoders beside the product of their encoder.

    python time_peers.py [--sources DIR] [--only TEXT ...] [--size small|large] [--rounds 5] [--threads 2] [--json FILE]

Measured are the user's own copies of dictionary_learning, sae_lens and sparsify: installed packages first, otherwise folders of
these names below --sources. Needs PyTorch and nothing else. A tool or class that cannot be imported is named with the reason and left out.

A step is what the tool's own trainer does with one batch of activations [batch, d_model], in the tool's own defaults: forward pass,
losses, backward pass, clipping, optimiser, unit norm, dead-feature counters; not the language model, the data loader or logging.
No feature is dead yet, so that no tool pays for its auxiliary loss. Each case runs in a process of its own, where steps and products
take turns, so that a busy machine slows both; medians are given. Two products: `encoder`, x @ W_enc + b as a user writes it, and
`product`, the same into memory that is already there, which is what the `train-step` benchmark beside this file divides by.
"""

import argparse
import importlib
import importlib.metadata
import json
import multiprocessing
import os
import statistics
import sys
import time

SIZES = {"small": (512, 8192, 32, 2048), "large": (768, 24576, 32, 4096)}
GROUPS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 17 / 32)
DENSE_L0 = 64  # features per token of the L1 and gated ones; k of all others


def thresholds(pre, l0):
    """The value that l0 pre-activations of a token exceed on average. pre: [n, d_sae]."""
    rows = pre[:64].flatten()
    return float(rows.topk(l0 * min(64, len(pre))).values.min())


def dictionary_learning(architecture, d, f, k, x):
    """A step and an L0 of a trainer of saprmarks/dictionary_learning; x: [batch, d]."""
    import torch
    module, name, extra = {
        "topk": ("top_k", "TopKTrainer", {"k": k}), "batch_topk": ("batch_top_k", "BatchTopKTrainer", {"k": k}),
        "matryoshka_batch_topk": ("matryoshka_batch_top_k", "MatryoshkaBatchTopKTrainer", {"k": k, "group_fractions": list(GROUPS)}),
        "jumprelu": ("jumprelu", "JumpReluTrainer", {"target_l0": float(k)}), "l1": ("standard", "StandardTrainer", {}),
        "gated": ("gdm", "GatedSAETrainer", {})}[architecture]
    trainer = getattr(importlib.import_module(f"dictionary_learning.trainers.{module}"), name)(
        steps=1_000_000, activation_dim=d, dict_size=f, layer=0, lm_name="none", device="cpu", **extra)
    ae = trainer.ae
    with torch.no_grad():
        if architecture == "jumprelu":
            ae.threshold.fill_(thresholds(x @ ae.W_enc, k))
        elif architecture in ("l1", "gated"):
            for bias in (ae.encoder.bias,) if architecture == "l1" else (ae.gate_bias, ae.mag_bias):
                bias.fill_(-thresholds(x @ ae.encoder.weight.T, DENSE_L0))
    at = iter(range(5000, 1_000_000))  # beyond every warm-up, where thresholds are kept up to date
    trainer.update(0, x)  # the first step also looks for the median
    return lambda: trainer.update(next(at), x), lambda: trainer.loss(x, step=5000, logging=True).f


def sae_lens(architecture, d, f, k, x):
    """A step and an L0 of SAELens's trainer; x: [batch, d]."""
    import torch
    from sae_lens.config import SAETrainerConfig
    from sae_lens.training.sae_trainer import SAETrainer
    widths = [round(f * sum(GROUPS[:i + 1])) for i in range(len(GROUPS))]
    module, name, extra = {
        "topk": ("topk_sae", "TopK", {"k": k}), "batch_topk": ("batchtopk_sae", "BatchTopK", {"k": k}),
        "matryoshka_batch_topk": ("matryoshka_batchtopk_sae", "MatryoshkaBatchTopK", {"k": k, "matryoshka_widths": widths}),
        "jumprelu": ("jumprelu_sae", "JumpReLU", {}), "l1": ("standard_sae", "Standard", {}), "gated": ("gated_sae", "Gated", {})}[architecture]
    module = importlib.import_module(f"sae_lens.saes.{module}")
    sae = getattr(module, f"{name}TrainingSAE")(getattr(module, f"{name}TrainingSAEConfig")(d_in=d, d_sae=f, **extra))
    with torch.no_grad():
        if architecture == "jumprelu":
            sae.threshold.fill_(thresholds(x @ sae.W_enc, k))
        elif architecture in ("l1", "gated"):
            for bias in (sae.b_enc,) if architecture == "l1" else (sae.b_gate, sae.b_mag):
                bias.fill_(-thresholds(x @ sae.W_enc, DENSE_L0))
    config = SAETrainerConfig(total_training_samples=len(x) * 1_000_000, train_batch_size_samples=len(x))
    trainer = SAETrainer(cfg=config, sae=sae, data_provider=iter([]))
    return lambda: trainer._train_step(sae=sae, sae_in=x), lambda: trainer._train_step(sae=sae, sae_in=x).feature_acts


def sparsify(architecture, d, f, k, x):
    """A step and an L0 of sparsify's coder; its trainer wants a language model, so that its step is called from here. x: [batch, d]."""
    import torch
    from sparsify import sparse_coder
    sae = sparse_coder.SparseCoder(d, sparse_coder.SparseCoderConfig(num_latents=f, k=k), dtype=torch.float32)
    sae.b_dec.data = x.mean(0)
    if architecture == "topk, signum":
        from schedulefree import ScheduleFreeWrapper
        from sparsify.sign_sgd import SignSGD
        optimiser = ScheduleFreeWrapper(SignSGD(sae.parameters(), lr=5e-3 / (f / 2**14) ** 0.5), momentum=0.95)
        optimiser.train()
    else:
        optimiser = torch.optim.Adam(sae.parameters(), lr=2e-4 / (f / 2**14) ** 0.5)
    unused, fired = torch.zeros(f, dtype=torch.long), torch.zeros(f, dtype=torch.bool)

    def step():  # no loss but the fraction of variance unexplained: the auxiliary one has a weight of 0 by default
        sae.set_decoder_norm_to_unit_norm()
        out = sae(x=x, y=x, dead_mask=None, total_variance=(x - x.mean(0)).pow(2).sum())
        fired[out.latent_indices.flatten()] = True
        out.fvu.backward()
        sae.remove_gradient_parallel_to_decoder_directions()
        optimiser.step()
        optimiser.zero_grad()
        unused.add_(len(x))
        unused[fired] = 0
        fired.zero_()
        return float(out.fvu.detach())

    return step, lambda: sae(x=x).latent_acts


TOOLS = {
    "dictionary_learning": (dictionary_learning, ("topk", "batch_topk", "matryoshka_batch_topk", "jumprelu", "l1", "gated")),
    "sae_lens": (sae_lens, ("topk", "batch_topk", "matryoshka_batch_topk", "jumprelu", "l1", "gated")),
    "sparsify": (sparsify, ("topk, signum", "topk, adam")),
}


def measure(tool, architecture, size, rounds, threads, sources):
    """One row of the table, as a dictionary; `error` says why there is none."""
    sys.path.append(sources) if sources else None
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(threads)
    try:
        import torch
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        d, f, k, batch = SIZES[size]
        x, weights, bias, product = torch.randn(batch, d), torch.randn(d, f), torch.zeros(f), torch.empty(batch, f)
        step, activations = TOOLS[tool][0](architecture, d, f, k, x)
        step()
        peak = peak_bytes()

        def encode():
            with torch.no_grad():
                return x @ weights + bias

        def multiply():
            with torch.no_grad():
                torch.addmm(bias, x, weights, out=product)

        encode(), multiply()  # once before they are timed
        times = [[clock(work) for work in (step, encode, multiply)] for _ in range(rounds)]
        step_ms, encoder_ms, product_ms = (statistics.median(one) for one in zip(*times))
        return {"tool": tool, "version": version(tool), "architecture": architecture, "d_model": d, "d_sae": f, "k": k, "batch": batch,
                "l0": float((activations() != 0).float().sum(-1).mean()), "step_ms": step_ms, "encoder_ms": encoder_ms,
                "ratio": step_ms / encoder_ms, "product_ms": product_ms, "product_ratio": step_ms / product_ms, "peak_rss": peak,
                "torch": torch.__version__}
    except Exception as error:  # whatever a foreign package throws, the other cases still run
        return {"tool": tool, "architecture": architecture, "d_model": SIZES[size][0], "error": f"{type(error).__name__}: {error}"}


def clock(work):
    """Milliseconds that work takes."""
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1e3


def peak_bytes():
    """Most memory this process has held, in bytes; None where the system does not say (it is Linux that does)."""
    if os.path.exists("/proc/self/status"):
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))


def version(tool):
    """Version of an installed package, else what the folder calls itself."""
    try:
        return importlib.metadata.version(tool.replace("_", "-"))
    except importlib.metadata.PackageNotFoundError:
        return getattr(importlib.import_module(tool), "__version__", "sources")


def main():
    parser = argparse.ArgumentParser(description="Times a training step of published SAE tools beside their encoder product.")
    parser.add_argument("--sources", help="folder that holds dictionary_learning/, sae_lens/, sparsify/; installed packages come first")
    parser.add_argument("--only", nargs="+", default=[""], help="run the cases whose 'tool architecture' contains one of these texts")
    parser.add_argument("--size", choices=SIZES, help="both when left out")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", help="file to write the rows to")
    options = parser.parse_args()
    cases = [(tool, one, size, options.rounds, options.threads, options.sources) for size in SIZES if options.size in (None, size)
             for tool, (_, names) in TOOLS.items() for one in names if any(text in f"{tool} {one}" for text in options.only)]
    rows = []
    print("tool                 architecture            d_model  d_sae  batch    l0  step_ms encoder_ms ratio product_ms ratio peak_MB")
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for row in (pool.apply(measure, case) for case in cases):
            rows.append(row)
            print(f"{row['tool']:<20} {row['architecture']:<23} " + (row["error"] if "error" in row else
                  f"{row['d_model']:>7} {row['d_sae']:>6} {row['batch']:>6} {row['l0']:>5.1f} {row['step_ms']:>8.1f} {row['encoder_ms']:>10.1f} "
                  f"{row['ratio']:>5.2f} {row['product_ms']:>10.1f} {row['product_ratio']:>5.2f} {(row['peak_rss'] or 0) / 1e6:>7.0f}"), flush=True)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(rows, file, indent=2)


if __name__ == "__main__":
    main()
