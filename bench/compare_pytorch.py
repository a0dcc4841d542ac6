"""PyTorch's side of `bench pytorch`: the networks of bench/Networks, and their kept-graph products in textbook form.

Started by the benchmark program, which sends one command a line (load NETWORK FOLDER | threads N | product MATRIX | save)
and reads one answer a line. MATRIX is hessian or ggn. Modules carry the names of the C# fields, so that the weights go over by name.
"""
import sys
import time
from math import sqrt
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.third = nn.Linear(784, 512), nn.Linear(512, 512), nn.Linear(512, 10)

    def forward(self, x):
        return self.third(F.relu(self.second(F.relu(self.first(x)))))


class ConvolutionAndNorm(nn.Module):
    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x):
        return self.norm(self.convolution(x))


class ResidualNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = ConvolutionAndNorm(3, 16)
        self.wide1, self.wide2 = ConvolutionAndNorm(16, 16), ConvolutionAndNorm(16, 16)
        self.down = ConvolutionAndNorm(16, 32, stride=2)
        self.deep1, self.deep2 = ConvolutionAndNorm(32, 32), ConvolutionAndNorm(32, 32)
        self.head = nn.Linear(32, 10)

    def forward(self, x):
        x = F.relu(self.stem(x))
        x = F.relu(x + self.wide2(F.relu(self.wide1(x))))
        x = F.relu(self.down(x))
        x = F.relu(x + self.deep2(F.relu(self.deep1(x))))
        return self.head(x.mean([2, 3]))


WIDTH, HEADS, POSITIONS, SYMBOLS, DEPTH = 128, 4, 64, 64, 4


class TransformerBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.query, self.key, self.value, self.output = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.expand, self.contract = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)
        self.register_buffer("future", torch.ones(POSITIONS, POSITIONS, dtype=torch.bool).triu(1))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.contract(F.gelu(self.expand(self.norm2(x))))

    def attention(self, x):
        def split(y):
            return y.reshape(-1, POSITIONS, HEADS, WIDTH // HEADS).transpose(1, 2)

        scores = split(self.query(x)).matmul(split(self.key(x)).transpose(-2, -1)) / sqrt(WIDTH // HEADS)
        weights = scores.masked_fill(self.future, float("-inf")).softmax(-1)
        return self.output(weights.matmul(split(self.value(x))).transpose(1, 2).reshape(-1, POSITIONS, WIDTH))


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.symbols, self.positions = nn.Embedding(SYMBOLS, WIDTH), nn.Embedding(POSITIONS, WIDTH)
        self.blocks = nn.Sequential(*(TransformerBlock() for _ in range(DEPTH)))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, SYMBOLS, bias=False)
        self.register_buffer("places", torch.arange(POSITIONS))

    def forward(self, x):
        x = self.blocks(self.symbols(x) + self.positions(self.places))
        return self.head(self.norm(x)).transpose(1, 2)


NETWORKS = {
    "mlp": (Mlp, (-1, 784), torch.float32),
    "resnet": (ResidualNetwork, (-1, 3, 32, 32), torch.float32),
    "transformer": (Transformer, (-1, POSITIONS), torch.int64),
}


class Problem:
    """Mean cross entropy of one batch, with the graphs kept that a product differentiates."""

    def __init__(self, network, folder):
        self.folder = Path(folder)
        make, shape, dtype = NETWORKS[network]
        model = make().eval()
        named = dict(model.named_parameters())
        self.parameters = [named.pop(name) for name in (self.folder / "names").read_text().split()]
        assert not named, f"parameters that the other side lacks: {', '.join(named)}"
        self.sizes = [p.numel() for p in self.parameters]
        with torch.no_grad():
            for p, value in zip(self.parameters, self.read("parameters").split(self.sizes)):
                p.copy_(value.view_as(p))
        inputs, targets = self.read("inputs", dtype).view(shape), self.read("targets", torch.int64)
        outputs = model(inputs)
        loss = F.cross_entropy(outputs, targets.view(outputs[:, 0].shape))
        self.gradient = torch.autograd.grad(loss, self.parameters, create_graph=True)

        # J v = d(g . v)/dw of g(w) = J^T w; the loss's Hessian by double backward at the outputs.
        self.outputs = model(inputs)
        self.w = torch.zeros_like(self.outputs, requires_grad=True)
        self.pullback = torch.autograd.grad(self.outputs, self.parameters, grad_outputs=self.w, create_graph=True)
        self.leaf = self.outputs.detach().requires_grad_()
        loss = F.cross_entropy(self.leaf, targets.view(outputs[:, 0].shape))
        self.output_gradient, = torch.autograd.grad(loss, self.leaf, create_graph=True)
        self.vector = self.read("vector")

    def read(self, name, dtype=torch.float32):
        return torch.frombuffer(bytearray((self.folder / name).read_bytes()), dtype=dtype)

    def hessian(self, parts):
        return torch.autograd.grad(self.gradient, self.parameters, grad_outputs=parts, retain_graph=True)

    def ggn(self, parts):
        jv, = torch.autograd.grad(self.pullback, self.w, grad_outputs=parts, retain_graph=True)
        hjv, = torch.autograd.grad(self.output_gradient, self.leaf, grad_outputs=jv, retain_graph=True)
        return torch.autograd.grad(self.outputs, self.parameters, grad_outputs=hjv, retain_graph=True)

    def product(self, matrix):
        start = time.perf_counter()
        parts = [part.view_as(p) for part, p in zip(self.vector.split(self.sizes), self.parameters)]
        parts = getattr(self, matrix)(parts)
        self.last = torch.cat([part.reshape(-1) for part in parts])
        return time.perf_counter() - start

    def save(self):
        (self.folder / "product").write_bytes(self.last.numpy().tobytes())
        return "ok"


def main():
    print(torch.__version__, flush=True)
    problem = None
    for line in sys.stdin:
        command, *arguments = line.split()
        if command == "load":
            problem, answer = Problem(*arguments), "ok"
        elif command == "threads":
            answer = torch.set_num_threads(int(arguments[0])) or "ok"
        else:
            answer = getattr(problem, command)(*arguments)
        print(answer, flush=True)


if __name__ == "__main__":
    main()
