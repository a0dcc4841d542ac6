#!/usr/bin/python3
"""Makes the TorchScript fixtures and PyTorch's own figures for them. Run by hand (Debian: python3-torch); the tests read what it wrote.
The archives hold the path of this script, so run a copy of it from a place that may be named:

    cp make_fixtures.py /tmp && python3 /tmp/make_fixtures.py torchscript

Three networks, each scripted and traced, in float32 and float64, on the same data and, up to rounding, the same weights. expected.json holds for
each network, computed in double precision: loss, gradient norm, the product Hv for the v stored beside it, the exact trace of the Hessian, and its
eigenvalues of largest magnitude. The float32 files hold the rounded weights; their figures are computed in double precision from those.
"""
import json
import pathlib
import sys

import numpy as np
import torch
from torch import nn

FOLDER = pathlib.Path(sys.argv[1])
CLASSES = 3


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(6, 10)
        self.fc2 = nn.Linear(10, 8)
        self.fc3 = nn.Linear(8, CLASSES)

    def forward(self, x):
        return self.fc3(torch.nn.functional.gelu(self.fc2(torch.tanh(self.fc1(x)))))


class TanhGelu(nn.Module):
    """GELU by its tanh form, which TorchSharp's functions have no name for."""

    def forward(self, x):
        return torch.nn.functional.gelu(x, approximate="tanh")


class Mixed(nn.Module):
    """A body in half precision under a head in float64."""

    def __init__(self):
        super().__init__()
        self.body = nn.Linear(3, 4).half()
        self.head = nn.Linear(4, 2).double()

    def forward(self, x):
        return self.head(torch.tanh(self.body(x.to(self.body.weight.dtype)).to(self.head.weight.dtype)))


class ConvNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 6, 3, stride=2)
        self.bn2 = nn.BatchNorm2d(6)
        self.fc = nn.Linear(6, CLASSES)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        x = torch.nn.functional.max_pool2d(x, 2)
        x = torch.nn.functional.softplus(self.bn2(self.conv2(x)))
        return self.fc(x.mean(dim=[2, 3]))


class Attention(nn.Module):
    """One transformer block over token ids: embedding, two heads, layer norms, a feed-forward part, mean over the positions."""

    def __init__(self, tokens: int = 7, width: int = 8, positions: int = 5):
        super().__init__()
        self.embed = nn.Embedding(tokens, width)
        self.position = nn.Parameter(torch.randn(positions, width) * 0.3)
        self.qkv = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.up = nn.Linear(width, 12)
        self.down = nn.Linear(12, width)
        self.head = nn.Linear(width, CLASSES)

    def forward(self, x):
        h = self.embed(x) + self.position
        q, k, v = self.qkv(self.norm1(h)).reshape(x.size(0), x.size(1), 2, 12).transpose(1, 2).chunk(3, dim=-1)
        weights = torch.softmax(q @ k.transpose(-2, -1) / 2.0, dim=-1)
        h = h + self.project((weights @ v).transpose(1, 2).reshape(x.size(0), x.size(1), 8))
        h = h + self.down(torch.nn.functional.gelu(self.up(self.norm2(h))))
        return self.head(h.mean(dim=1))


def data(name):
    g = torch.Generator().manual_seed(7)
    y = torch.randint(0, CLASSES, (20,), generator=g)
    if name == "attention":
        return torch.randint(0, 7, (20, 5), generator=g), y
    shape = (20, 6) if name == "mlp" else (20, 1, 8, 8)
    # Rounded to float32, so that both precisions see the same numbers.
    return torch.randn(shape, generator=g).double(), y


def figures(model, x, y):
    """Loss, gradient, Hessian in double precision; parameters in the order of named_parameters."""
    parameters = list(model.parameters())
    loss = nn.functional.cross_entropy(model(x), y)
    gradient = torch.cat([g.reshape(-1) for g in torch.autograd.grad(loss, parameters, create_graph=True)])
    count = gradient.numel()
    hessian = torch.stack([
        torch.cat([h.reshape(-1) if h is not None else torch.zeros(p.numel(), dtype=torch.double)
                   for h, p in zip(torch.autograd.grad(gradient[i], parameters, retain_graph=True, allow_unused=True), parameters)])
        for i in range(count)])
    hessian = (hessian + hessian.T) / 2
    v = torch.randn(count, generator=torch.Generator().manual_seed(11)).double()
    eigenvalues = torch.linalg.eigvalsh(hessian)
    top = eigenvalues[torch.argsort(eigenvalues.abs(), descending=True)[:5]]
    return {
        "names": [name for name, _ in model.named_parameters()],
        "parameters": count,
        "loss": loss.item(),
        "gradient_norm": gradient.norm().item(),
        "v": v.tolist(),
        "hv": (hessian @ v).tolist(),
        "trace": hessian.trace().item(),
        "top_eigenvalues": top.tolist(),
    }


def main():
    torch.set_num_threads(1)
    FOLDER.mkdir(exist_ok=True)
    torch.manual_seed(5)
    torch.jit.script(nn.Linear(3, 2).double()).save(str(FOLDER / "tiny.pt"))  # for the tests that flip every bit
    torch.jit.script(TanhGelu()).save(str(FOLDER / "gelu-tanh.pt"))
    torch.jit.script(Mixed()).save(str(FOLDER / "mixed-half.pt"))
    expected = {"torch": torch.__version__, "loss": "cross-entropy", "models": []}
    for name, kind in [("mlp", Mlp), ("conv", ConvNet), ("attention", Attention)]:
        torch.manual_seed(3)
        model = kind().double()
        x, y = data(name)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(1.5)
            model(x)  # one pass in training mode gives batch norm its statistics
        model.eval()
        np.savez(FOLDER / f"{name}.npz", x=x.numpy().astype(np.int64 if x.dtype == torch.int64 else np.float32), y=y.numpy())
        for precision in (torch.float64, torch.float32):
            model = model.to(precision)
            short = "f64" if precision == torch.float64 else "f32"
            example = x if x.dtype == torch.int64 else x.to(precision)
            torch.jit.script(model).save(str(FOLDER / f"{name}-scripted-{short}.pt"))
            torch.jit.trace(model, example).save(str(FOLDER / f"{name}-traced-{short}.pt"))
            entry = {"model": name, "precision": short, "data": f"{name}.npz",
                     "files": [f"{name}-scripted-{short}.pt", f"{name}-traced-{short}.pt"]}
            entry.update(figures(model.double(), x, y))
            expected["models"].append(entry)
    (FOLDER / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
