"""Makes the files beside it with Python's own pickle and zipfile modules; neither PyTorch nor NumPy is needed.

A stand-in module named torch gives the pickles the names that torch.save writes, so that the bytes come from Python's
pickler and zip writer and not from the code under test. What the files hold is listed in TorchFixtures.cs.
Run: python3 make_fixtures.py
"""
import collections
import io
import os
import pickle
import struct
import sys
import types
import zipfile

torch = types.ModuleType("torch")
utils = types.ModuleType("torch._utils")
sys.modules["torch"], sys.modules["torch._utils"] = torch, utils


def named(module, name, thing):
    thing.__module__, thing.__qualname__, thing.__name__ = module.__name__, name, name
    setattr(module, name, thing)
    return thing


KINDS = {}
for kind, letter, size in [("Float", "f", 4), ("Double", "d", 8), ("Half", "e", 2), ("BFloat16", "H", 2), ("Long", "q", 8), ("Bool", "?", 1), ("Char", "b", 1)]:
    KINDS[kind] = (named(torch, kind + "Storage", type(kind + "Storage", (), {})), letter, size)
rebuild_tensor_v2 = named(utils, "_rebuild_tensor_v2", lambda *a: None)
rebuild_parameter = named(utils, "_rebuild_parameter", lambda *a: None)


class Storage:
    def __init__(self, key, kind, values):
        self.key, self.kind, self.values = key, kind, values

    def data(self):
        return b"".join(struct.pack("<" + KINDS[self.kind][1], v) for v in self.values)


class Tensor:
    def __init__(self, storage, size, stride, offset=0):
        self.storage, self.size, self.stride, self.offset = storage, size, stride, offset

    def __reduce_ex__(self, protocol):
        return rebuild_tensor_v2, (self.storage, self.offset, self.size, self.stride, False, collections.OrderedDict())


class Parameter:
    def __init__(self, tensor):
        self.tensor = tensor

    def __reduce_ex__(self, protocol):
        return rebuild_parameter, (self.tensor, True, collections.OrderedDict())


class Dtype:
    def __reduce__(self):
        return "float32"


Dtype.__module__ = "torch"
torch.float32 = Dtype()


class Size(tuple):
    def __reduce__(self):
        return Size, (tuple(self),)


named(torch, "Size", Size)


class device:
    def __init__(self, kind, index):
        self.kind, self.index = kind, index

    def __reduce__(self):
        return device, (self.kind, self.index)


named(torch, "device", device)


class Pickler(pickle._Pickler):
    legacy = False

    def persistent_id(self, thing):
        if not isinstance(thing, Storage):
            return None
        whole = ("storage", KINDS[thing.kind][0], thing.key, "cpu", len(thing.values))
        return whole + (None,) if self.legacy else whole


def dumps(thing, protocol, legacy=False):
    out = io.BytesIO()
    pickler = Pickler(out, protocol)
    pickler.legacy = legacy
    pickler.dump(thing)
    return out.getvalue()


def content():
    weight = Storage("0", "Float", [0.5 * i for i in range(6)])
    others = [
        Storage("1", "Long", [-1, 0, 1, 2]), Storage("2", "Half", [1.5, -2.0]), Storage("3", "BFloat16", [0x3F80, 0xC000]),
        Storage("4", "Bool", [True, False, True]), Storage("5", "Float", [2.5]), Storage("6", "Float", []), Storage("7", "Double", [0.25, -0.25]), Storage("8", "Char", [-3, 3, 9]),
    ]
    ids, half, bfloat, flags, scalar, empty, double, char = others
    state = collections.OrderedDict()
    state["weight"] = Tensor(weight, (2, 3), (3, 1))
    state["transposed"] = Tensor(weight, (3, 2), (1, 3))
    state["row"] = Tensor(weight, (3,), (1,), 3)
    state["ids"] = Tensor(ids, (4,), (1,))
    state["half"] = Tensor(half, (2,), (1,))
    state["bfloat"] = Tensor(bfloat, (2,), (1,))
    state["flags"] = Tensor(flags, (3,), (1,))
    state["scalar"] = Tensor(scalar, (), ())
    state["empty"] = Tensor(empty, (0, 4), (4, 1))
    state["parameter"] = Parameter(Tensor(double, (1, 2), (2, 1)))
    state["char"] = Tensor(char, (3,), (1,))
    state["expanded"] = Tensor(scalar, (2, 3), (0, 0))
    whole = {"state": state, "layers": [Tensor(weight, (2,), (2,), 1), {"0": Tensor(ids, (1,), (1,), 2)}]}
    whole["step"], whole["lr"], whole["name"], whole["none"], whole["yes"] = 7, 1e-3, "\u03c0 \U0001f600", None, True
    whole["numbers"] = (1, -2, 300, 70000, 2**40, -(2**70))
    whole["bytes"], whole["set"], whole[5] = b"\x00\xff", {1}, "five"
    whole["dtype"], whole["size"], whole["device"] = torch.float32, Size((2, 3)), device("cuda", 0)
    return whole, [weight] + others


def legacy(name, protocol):
    whole, storages = content()
    with open(name, "wb") as out:
        for part in (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}):
            out.write(pickle.dumps(part, protocol))
        out.write(dumps(whole, protocol, legacy=True))
        keys = sorted(storage.key for storage in storages)
        out.write(pickle.dumps(keys, protocol))
        for storage in sorted(storages, key=lambda storage: storage.key):
            out.write(struct.pack("<q", len(storage.values)) + storage.data())


def write(archive, name, data, method, force64=False):
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.compress_type = method
    with archive.open(entry, "w", force_zip64=force64) as out:
        out.write(data)


def zipped(name, protocol, method=zipfile.ZIP_STORED, force64=False):
    whole, storages = content()
    with zipfile.ZipFile(name, "w") as archive:
        write(archive, "archive/data.pkl", dumps(whole, protocol), method, force64)
        write(archive, "archive/byteorder", b"little", method, force64)
        for storage in storages:
            write(archive, "archive/data/" + storage.key, storage.data(), method, force64)
        write(archive, "archive/version", b"3\n", method, force64)


class System:
    def __reduce__(self):
        return os.system, ("touch pwned",)


class Evaluate:
    def __reduce__(self):
        return eval, ("__import__('os').getcwd()",)


class Instance:
    pass


named(torch, "Instance", Instance)


def hostile(name, thing, protocol, old=False):
    if old:
        with open(name, "wb") as out:
            out.write(pickle.dumps(0x1950A86A20F9469CFC6C, protocol) + pickle.dumps(1001, protocol))
            out.write(pickle.dumps({"little_endian": True}, protocol) + pickle.dumps({"x": thing}, protocol) + pickle.dumps([], protocol))
        return
    with zipfile.ZipFile(name, "w") as archive:
        write(archive, "archive/data.pkl", pickle.dumps({"x": thing}, protocol), zipfile.ZIP_STORED)
        write(archive, "archive/version", b"3\n", zipfile.ZIP_STORED)


os.chdir(os.path.dirname(os.path.abspath(__file__)))
for number in (2, 4):
    legacy(f"legacy_protocol{number}.pt", number)
for number in (2, 3, 4, 5):
    zipped(f"zip_protocol{number}.pt", number)
zipped("zip_deflated.pt", 2, zipfile.ZIP_DEFLATED)
zipped("zip64.pt", 2, force64=True)
hostile("hostile_system.pt", System(), 2)
hostile("hostile_system_protocol4.pt", System(), 4)
hostile("hostile_eval.pt", Evaluate(), 2)
hostile("hostile_instance.pt", Instance(), 2)
hostile("hostile_legacy.pt", System(), 2, old=True)
