"""Trains a dictionary with the user's own copy of dictionary_learning on the activations of a Monosemantic store.

    python train_stories.py --store DIR --architecture topk|batch_topk|matryoshka_batch_topk --out DIR [--k 8] [--sources DIR]

The store is what `extract --dtype f32` wrote; its held-out shards are left out. Everything else is dictionary_learning's: its trainer in its
own defaults (learning rate, warm-up, clipping, thresholds). Inputs are scaled to a mean norm of sqrt(d), and the biases back afterwards
by the tool's own `scale_biases`. Rows are in memory and shuffled anew in every pass; the time is that of the training loop alone. --out gets
`ae.pt` and `config.json` as that tool saves them, which `eval --sae DIR --activations STORE` reads. Needs PyTorch.
"""

import argparse
import importlib
import json
import os
import sys
import time


def training_rows(store):
    """All training rows of a store of float32, [rows, d_model]."""
    import torch
    with open(os.path.join(store, "manifest.json")) as file:
        manifest = json.load(file)
    if manifest["plan"]["dtype"] != "f32":
        sys.exit(f"{store} holds {manifest['plan']['dtype']}; extract it with --dtype f32")
    shards = []
    for shard in (one for one in manifest["shards"] if not one["held_out"]):
        with open(os.path.join(store, shard["file"]), "rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
            start = file.tell()
            tensor = next(value for name, value in header.items() if name != "__metadata__" and value["dtype"] == "F32" and len(value["shape"]) == 2)
            file.seek(start + tensor["data_offsets"][0])
            size = tensor["data_offsets"][1] - tensor["data_offsets"][0]
            shards.append(torch.frombuffer(bytearray(file.read(size)), dtype=torch.float32).reshape(tensor["shape"]))
    return torch.cat(shards)


def batches(rows, size, generator):
    """Batches without end, every row once in a pass, in a new order each time; a pass's last rows go on in the next."""
    import torch
    order = torch.empty(0, dtype=torch.long)
    while True:
        if len(order) < size:
            order = torch.cat([order, torch.randperm(len(rows), generator=generator)])
        yield rows[order[:size]]
        order = order[size:]


def main():
    parser = argparse.ArgumentParser(description="Trains dictionary_learning on the activations of a store.")
    parser.add_argument("--store", required=True, help="folder written by extract --dtype f32")
    parser.add_argument("--architecture", required=True, choices=["topk", "batch_topk", "matryoshka_batch_topk"])
    parser.add_argument("--out", required=True, help="folder for ae.pt and config.json")
    parser.add_argument("--sources", help="folder that holds dictionary_learning/; an installed package comes first")
    parser.add_argument("--features", type=int, default=512)
    parser.add_argument("--k", type=int, default=8)
    parser.add_argument("--batch", type=int, default=2048)
    parser.add_argument("--tokens", type=int, default=4_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    sys.path.append(options.sources) if options.sources else None
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(options.threads)
    import torch
    torch.set_num_threads(options.threads)

    rows = training_rows(options.store)
    d, scale = rows.shape[1], rows.shape[1] ** 0.5 / float(rows.norm(dim=1).mean())
    rows *= scale
    module, name, extra = {
        "topk": ("top_k", "TopKTrainer", {}),
        "batch_topk": ("batch_top_k", "BatchTopKTrainer", {}),
        "matryoshka_batch_topk": ("matryoshka_batch_top_k", "MatryoshkaBatchTopKTrainer", {"group_fractions": [1 / 32, 1 / 16, 1 / 8, 1 / 4, 17 / 32]}),
    }[options.architecture]
    steps = options.tokens // options.batch
    trainer = getattr(importlib.import_module(f"dictionary_learning.trainers.{module}"), name)(
        steps=steps, activation_dim=d, dict_size=options.features, k=options.k, layer=2, lm_name="stories260K", device="cpu",
        submodule_name="resid_post_layer_2", seed=options.seed, **extra)
    source = batches(rows, options.batch, torch.Generator().manual_seed(options.seed))
    start = time.perf_counter()
    for step, batch in zip(range(steps), source):
        loss = trainer.update(step, batch)
    seconds = time.perf_counter() - start
    trainer.ae.scale_biases(1 / scale)
    os.makedirs(options.out, exist_ok=True)
    torch.save(trainer.ae.state_dict(), os.path.join(options.out, "ae.pt"))
    with open(os.path.join(options.out, "config.json"), "w") as file:
        json.dump({"trainer": trainer.config}, file, indent=4)
    print(f"{options.architecture}: {steps} steps of {options.batch}, loss {loss:.4f}, {steps * options.batch / seconds:,.0f} tokens/s")


if __name__ == "__main__":
    main()
