"""How fast a device could be: the peak that the share used (MFU) is taken of."""

import time

import torch

_KNOWN_TFLOPS = {
    "H100 PCIe": 756.0,
    "H100 NVL": 835.0,
    "H100": 989.4,
    "H200": 989.4,
    "H800": 989.4,
    "B200": 2250.0,
    "GH200": 989.4,
    "A100": 312.0,
    "A800": 312.0,
    "L40S": 362.0,
    "L4": 121.0,
    "A10G": 70.0,
    "RTX 4090": 165.2,
    "RTX 3090": 71.0,
    "V100": 125.0,
}
"""Dense bf16 (or fp16) TFLOP/s of the vendors' data sheets, by a part of the device's name; the longest that fits."""

_SIZE, _MEASURED_S = 1024, 0.3


def peak_flops(device: torch.device, precision: str) -> float:
    """Operations per second of one device: from the data sheet, else measured by a matrix product on it.

    On a CPU it is what all of this process's threads reach together.
    """
    if device.type == "cuda" and precision == "bf16":
        name = torch.cuda.get_device_name(device)
        fitting = [known for known in _KNOWN_TFLOPS if known in name]
        if fitting:
            return _KNOWN_TFLOPS[max(fitting, key=len)] * 1e12
    return _measured(device, torch.bfloat16 if precision == "bf16" else torch.float32)


def _measured(device: torch.device, dtype: torch.dtype) -> float:
    left = torch.ones(_SIZE, _SIZE, dtype=dtype, device=device)
    best, begun = 0.0, time.perf_counter()
    while time.perf_counter() - begun < _MEASURED_S:
        start = time.perf_counter()
        torch.mm(left, left)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = max(best, 2 * _SIZE**3 / (time.perf_counter() - start))
    return best
