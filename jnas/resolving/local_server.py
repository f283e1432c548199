"""The child process of local.py: llama.cpp behind one JSON line in, one JSON line out. Imports nothing of jnas."""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Mapping
from typing import Any

CONTEXT_TOKENS = 4096
MOST_THREADS = 8


def main() -> None:
    """argv[1] is the GGUF file. Ends when standard input does."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # llama.cpp prints as it likes; the pipe is for replies
    server = load(sys.argv[1])
    print(json.dumps({"ready": True}), file=replies, flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(server, json.loads(line))), file=replies, flush=True)


def load(model: str) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = model
    params.n_ctx = CONTEXT_TOKENS
    params.n_parallel = 1
    params.n_gpu_layers = 0
    params.warmup = False
    params.verbosity = -1
    params.cache_ram_mib = 0
    # One thread to generate and none that spins: on two busy cores, spinning threads took 24 s for 30 tokens.
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = min(cores(), MOST_THREADS)
    params.cpuparams.poll = params.cpuparams_batch.poll = 0
    # The bindings open a port on localhost that we never use: nobody else shall.
    params.ui = False
    params.endpoint_slots = False
    params.api_keys = [secrets.token_hex(16)]
    return xllamacpp.Server(params)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def answer(server: Any, request: Mapping[str, Any]) -> dict[str, Any]:
    reply = server.handle_chat_completions(dict(request))
    if "choices" not in reply:
        return {"error": str(reply.get("error", {}).get("message", "no answer"))[:200]}
    choice, usage = reply["choices"][0], reply["usage"]
    return {
        "text": choice["message"].get("content") or "",
        "finish": choice.get("finish_reason") or "stop",
        "input_tokens": usage["prompt_tokens"],
        "output_tokens": usage["completion_tokens"],
    }


if __name__ == "__main__":
    main()
