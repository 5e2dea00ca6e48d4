"""A substitute for SGLang's kernel package on machines without an accelerator.

SGLang imports `sgl_kernel` even with `--device cpu`. The package on PyPI holds CUDA kernels only;
the CPU kernels are not published. Put this folder's parent on PYTHONPATH and SGLang starts.

Substituted: the one kernel that plain decoding calls on a CPU without AMX, in PyTorch below. Every
other name imports and raises when called, so a path that needs a real kernel fails by name instead
of computing something wrong. Linear layers, attention and sampling run in SGLang's own
torch-native code.

Real and unmodified: the HTTP server, the tokenizer and detokenizer managers, the scheduler, the
radix cache, streaming, aborts, health and control routes. So this shows that a worker speaks with
SGLang correctly; it says nothing about SGLang's speed or its kernels, and must not be quoted so.
"""

import time

import torch

__version__ = "0.0.0+substitute"


def assign_req_to_token_pool_cpu(requests, table, starts, ends, slots, _row_length):
    """Writes each request's new KV cache slots into its row of the request-to-token table.

    `slots` holds the slots of all requests one after another: request i takes `ends[i] - starts[i]`
    of them, for the positions `starts[i]..ends[i]` of row `requests[i]`.
    """
    taken = 0
    for row, start, end in zip(requests.tolist(), starts.tolist(), ends.tolist(), strict=True):
        table[row, start:end] = slots[taken : taken + end - start].to(table.dtype)
        taken += end - start


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)

    def missing(*_args, **_kwargs):
        raise NotImplementedError(f"the substitute for sgl_kernel has no {name}")

    return missing


# Names that models look up among PyTorch's operators while they are imported. Without them SGLang
# passes over a whole module: that of Qwen's vision processors imports one of these models.
for _name in (
    "fused_qk_gemma_rmsnorm_cpu",
    "fused_qk_gemma_rmsnorm_with_gate_cpu",
    "fused_qkvzba_split_reshape_cat_contiguous_cpu",
    "fused_sigmoid_mul_cpu",
):
    setattr(torch.ops.sgl_kernel, _name, __getattr__(_name))


# PyTorch's wheel on PyPI is a CUDA build and names torch.cuda as its device module even where there
# is no driver, so that SGLang would ask the absent driver about memory. A prefill engine hands its
# page numbers to the Mooncake sender in page-locked memory, with an event for when they are there,
# and LoRA layers keep their offsets in such memory: without a driver, in plain memory, where they are
# at once. Forward passes are timed by events, too.
if not torch.cuda.is_available():
    torch.get_device_module = lambda device=None: torch.cpu

    def _unpinned(make):
        def make_in_plain_memory(*args, pin_memory=False, **kwargs):
            return make(*args, **kwargs)

        return make_in_plain_memory

    class _PastEvent:
        def __init__(self, *_args, **_kwargs):
            pass

        def record(self, _stream=None):
            # A forward pass is over when its call is.
            self._at = time.perf_counter()

        def elapsed_time(self, end):
            return (end._at - self._at) * 1000

        def wait(self, _stream=None):
            pass

        def synchronize(self):
            pass

        def query(self):
            return True

    for _name in ("empty", "tensor", "zeros"):
        setattr(torch, _name, _unpinned(getattr(torch, _name)))
    torch.Tensor.pin_memory = lambda tensor, _device=None: tensor
    torch.cuda.Event = torch.cpu.Event = _PastEvent
    torch.cuda.current_stream = lambda device=None: None
