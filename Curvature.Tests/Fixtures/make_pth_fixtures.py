#!/usr/bin/python3
"""Makes the fixtures of torch.save. Run by hand (Debian: python3-torch), in this folder; the tests read what it wrote:

    python3 make_pth_fixtures.py pth

digits-mlp.pth    the state dict of data/digits-mlp.safetensors
training.pth      the same as a training script saves it: half of a dictionary with epoch, optimizer and more, names as nn.DataParallel writes them
kinds.pth         tensors of all element types, views, shared storages, a parameter, nothing at all; their elements are what the test expects
tiny.pth          two small tensors, for the tests that flip every bit
legacy.pth        tiny.pth in the format before PyTorch 1.6
model.pth         a whole model, which names the class of this script
"""
import collections
import json
import pathlib
import sys

import numpy as np
import torch
from torch import nn

FOLDER = pathlib.Path(sys.argv[1])


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(2, 1)


def digits():
    raw = (pathlib.Path(__file__).parent / "../../data/digits-mlp.safetensors").read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:8 + length])
    header.pop("__metadata__", None)
    data = raw[8 + length:]
    state = nn.Module().state_dict()  # with PyTorch's attributes of a state dict
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        state[name] = torch.from_numpy(np.frombuffer(data[begin:end], dtype=np.float32).copy()).reshape(entry["shape"])
    return state


def kinds():
    counting = torch.arange(24, dtype=torch.float32)
    shared = torch.arange(6, dtype=torch.float64)
    state = collections.OrderedDict()
    for dtype in [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16, torch.bfloat16, torch.float32, torch.float64]:
        state[str(dtype)[6:]] = torch.arange(6).to(dtype).reshape(2, 3)
    state["bool"] = torch.tensor([True, False, True])
    state["scalar"] = torch.tensor(2.5)
    state["empty"] = torch.zeros(0, 3)
    state["transposed"] = counting.reshape(4, 6).t()          # strides 1, 6
    state["middle"] = counting.reshape(4, 6)[1:3, 2:5]        # offset 8, strides 6, 1
    state["expanded"] = torch.tensor([7.0]).expand(2, 3)      # strides 0, 0
    state["shared.all"] = shared
    state["shared.tail"] = shared[4:]
    state["parameter"] = nn.Parameter(torch.ones(2))
    return state


def main():
    FOLDER.mkdir(exist_ok=True)
    state = digits()
    torch.save(state, FOLDER / "digits-mlp.pth")
    model = nn.Sequential(nn.Linear(2, 2))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    torch.save({
        "epoch": 3,
        "model": collections.OrderedDict((f"module.{name}", value) for name, value in state.items()),
        "ema": collections.OrderedDict((f"module.{name}", value * 0) for name, value in state.items()),
        "optimizer": optimizer.state_dict(),
        "loss": 0.25,
        "seed": 2 ** 63 + 1,
        "history": [1.0, None, (True, False)],
    }, FOLDER / "training.pth")
    torch.save(kinds(), FOLDER / "kinds.pth")
    tiny = collections.OrderedDict(weight=torch.arange(6.0).reshape(2, 3), bias=torch.tensor([6.0, 7.0]))
    torch.save(tiny, FOLDER / "tiny.pth")
    torch.save(tiny, FOLDER / "legacy.pth", _use_new_zipfile_serialization=False)
    torch.save(Net(), FOLDER / "model.pth")


if __name__ == "__main__":
    main()
