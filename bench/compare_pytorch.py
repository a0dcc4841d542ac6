"""PyTorch's side of `bench pytorch` and `bench gpu`: the networks of bench/Networks, and their gradients and products in textbook form.

Started by the benchmark program, which sends one command a line (device NAME | threads N | load NETWORK FOLDER SIZE... | gradient | fresh MATRIX |
product MATRIX | forget | save) and reads one answer a line, which begins with "error:" where PyTorch could not do it. MATRIX is hessian or ggn; a
fresh product makes its graphs, another one keeps them until `forget`. Modules carry the names of the C# fields, so that the weights go over by name.
"""
import gc
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
    def __init__(self, inputs, outputs, stride=1, size=3):
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, bias=False)
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


class ResidualBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.first, self.second = ConvolutionAndNorm(inputs, outputs, stride), ConvolutionAndNorm(outputs, outputs)
        self.around = nn.Identity() if inputs == outputs else ConvolutionAndNorm(inputs, outputs, stride, size=1)

    def forward(self, x):
        return F.relu(self.second(F.relu(self.first(x))) + self.around(x))


class ResNet18(nn.Module):
    def __init__(self, width, _):
        super().__init__()
        self.stem = ConvolutionAndNorm(3, width)
        self.stages = nn.Sequential(*(
            ResidualBlock(width << max(i - 1, 0) // 2, width << i // 2, 2 if i in (2, 4, 6) else 1) for i in range(8)))
        self.head = nn.Linear(8 * width, 10)

    def forward(self, x):
        return self.head(self.stages(F.relu(self.stem(x))).mean([2, 3]))


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


class GptBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.norm2, self.heads = nn.LayerNorm(width), nn.LayerNorm(width), heads
        self.attend, self.output = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.expand, self.contract = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.contract(F.gelu(self.expand(self.norm2(x))))

    def attention(self, x):
        batch, places, width = x.shape
        query, key, value = (
            part.reshape(batch, places, self.heads, width // self.heads).transpose(1, 2) for part in self.attend(x).split(width, 2))
        scores = query.matmul(key.transpose(-2, -1)) / sqrt(width // self.heads)
        future = torch.ones(places, places, dtype=torch.bool, device=x.device).triu(1)
        weights = scores.masked_fill(future, float("-inf")).softmax(-1)
        return self.output(weights.matmul(value).transpose(1, 2).reshape(batch, places, width))


class Gpt(nn.Module):
    def __init__(self, symbols, positions, width, heads, depth):
        super().__init__()
        self.symbols, self.positions = nn.Embedding(symbols, width), nn.Embedding(positions, width)
        self.blocks = nn.Sequential(*(GptBlock(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)

    def forward(self, x):
        x = self.blocks(self.symbols(x) + self.positions(torch.arange(x.shape[1], device=x.device)))
        return self.norm(x).matmul(self.symbols.weight.t()).transpose(1, 2)


# The network, the shape of its inputs by its sizes, and their type.
NETWORKS = {
    "mlp": (Mlp, lambda: (-1, 784), torch.float32),
    "resnet": (ResidualNetwork, lambda: (-1, 3, 32, 32), torch.float32),
    "transformer": (Transformer, lambda: (-1, POSITIONS), torch.int64),
    "resnet18": (ResNet18, lambda _, side: (-1, 3, side, side), torch.float32),
    "gpt": (Gpt, lambda *sizes: (-1, sizes[1]), torch.int64),
}

# As the measurements here: no rounding of float32 to TF32.
torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
DEVICE = torch.device("cpu")


def set_device(name):
    global DEVICE
    torch.zeros(1, device=name)
    DEVICE = torch.device(name)


class Problem:
    """Mean cross entropy of one batch."""

    def __init__(self, network, folder, *sizes):
        self.folder = Path(folder)
        make, shape, dtype = NETWORKS[network]
        sizes = [int(size) for size in sizes]
        self.model = make(*sizes).eval().to(DEVICE)
        named = dict(self.model.named_parameters())
        self.parameters = [named.pop(name) for name in (self.folder / "names").read_text().split()]
        assert not named, f"parameters that the other side lacks: {', '.join(named)}"
        self.sizes = [p.numel() for p in self.parameters]
        with torch.no_grad():
            for p, value in zip(self.parameters, self.read("parameters").split(self.sizes)):
                p.copy_(value.view_as(p))
        self.inputs, self.targets = self.read("inputs", dtype).view(shape(*sizes)), self.read("targets", torch.int64)
        self.vector = self.read("vector")
        self.kept = {}

    def read(self, name, dtype=torch.float32):
        return torch.frombuffer(bytearray((self.folder / name).read_bytes()), dtype=dtype).to(DEVICE)

    def loss(self, outputs):
        return F.cross_entropy(outputs, self.targets.view(outputs[:, 0].shape))

    def hessian(self):
        gradient = torch.autograd.grad(self.loss(self.model(self.inputs)), self.parameters, create_graph=True)
        return lambda parts, keep: torch.autograd.grad(gradient, self.parameters, grad_outputs=parts, retain_graph=keep)

    def ggn(self):
        # J v = d(g . v)/dw of g(w) = J^T w; the loss's Hessian by double backward at the outputs.
        outputs = self.model(self.inputs)
        w = torch.zeros_like(outputs, requires_grad=True)
        pullback = torch.autograd.grad(outputs, self.parameters, grad_outputs=w, create_graph=True)
        leaf = outputs.detach().requires_grad_()
        output_gradient, = torch.autograd.grad(self.loss(leaf), leaf, create_graph=True)

        def product(parts, keep):
            jv, = torch.autograd.grad(pullback, w, grad_outputs=parts, retain_graph=True)
            hjv, = torch.autograd.grad(output_gradient, leaf, grad_outputs=jv, retain_graph=keep)
            return torch.autograd.grad(outputs, self.parameters, grad_outputs=hjv, retain_graph=keep)

        return product

    def gradient(self):
        return self.timed(lambda: torch.autograd.grad(self.loss(self.model(self.inputs)), self.parameters))

    def fresh(self, matrix):
        return self.timed(lambda: getattr(self, matrix)()(self.parts(), False))

    def product(self, matrix):
        def kept():
            if matrix not in self.kept:
                self.kept[matrix] = getattr(self, matrix)()
            return self.kept[matrix](self.parts(), True)

        return self.timed(kept)

    def parts(self):
        return [part.view_as(p) for part, p in zip(self.vector.split(self.sizes), self.parameters)]

    def timed(self, work):
        """Seconds of the work, flat vector in and flat vector out, until the device has done it."""
        self.wait()
        start = time.perf_counter()
        self.last = torch.cat([part.reshape(-1) for part in work()])
        self.wait()
        return time.perf_counter() - start

    def wait(self):
        if DEVICE.type == "cuda":
            torch.cuda.synchronize(DEVICE)

    def forget(self):
        self.kept.clear()
        gc.collect()
        if DEVICE.type == "cuda":
            torch.cuda.empty_cache()

    def save(self):
        (self.folder / "product").write_bytes(self.last.cpu().numpy().tobytes())


def main():
    print(torch.__version__, flush=True)
    problem = None
    for line in sys.stdin:
        command, *arguments = line.split()
        try:
            if command == "load":
                problem, answer = None, None  # the one before gives its memory back first
                problem = Problem(*arguments)
            elif command == "threads":
                answer = torch.set_num_threads(int(arguments[0]))
            elif command == "device":
                answer = set_device(arguments[0])
            else:
                answer = getattr(problem, command)(*arguments)
        except (AssertionError, RuntimeError) as error:  # no such device, no memory left
            answer = f"error: {error}".splitlines()[0]
        print("ok" if answer is None else answer, flush=True)


if __name__ == "__main__":
    main()
