"""A stand-in for SGLang's server that replays a recorded event: see README.md beside it."""

import argparse
import asyncio
import json
from pathlib import Path

RECORDED = Path(__file__).resolve().parents[3] / "host/engine/tests/data/sglang_generate_stream.sse"
SERVER = {"incremental_streaming_output": True, "disaggregation_mode": "null", "page_size": 16,
          "max_total_num_tokens": 16384, "max_running_requests": 256}
# The capital letters, in a tokenizer whose tokens are bytes.
TOKENS = range(65, 91)


def recorded() -> dict:
    line = next(line for line in RECORDED.read_text().splitlines() if line.startswith("data: {"))
    return json.loads(line.removeprefix("data: "))


class Server:
    def __init__(self, pace: float) -> None:
        self.pace = pace
        self.event = recorded()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                await self.answer(lines[0].split(" ")[1], body, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def answer(self, path: str, body: bytes, writer: asyncio.StreamWriter) -> None:
        if path == "/generate":
            return await self.generate(json.loads(body), writer)
        reports = {"/server_info": SERVER, "/model_info": {"is_generation": True}}
        text = json.dumps(reports.get(path, {})).encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(text), text))
        await writer.drain()

    async def generate(self, request: dict, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        prompt, count = len(request["input_ids"]), request["sampling_params"]["max_new_tokens"]
        for number in range(count):
            token = TOKENS[(prompt + number) % len(TOKENS)]
            last = number + 1 == count
            meta = {**self.event["meta_info"], "id": request["rid"], "prompt_tokens": prompt, "completion_tokens": number + 1,
                    "finish_reason": {"type": "length", "length": count} if last else None}
            send(writer, json.dumps({**self.event, "output_ids": [token], "meta_info": meta}))
            await writer.drain()
            await asyncio.sleep(self.pace)
        send(writer, "[DONE]")
        writer.write(b"0\r\n\r\n")
        await writer.drain()


def send(writer: asyncio.StreamWriter, data: str) -> None:
    event = f"data: {data}\n\n".encode()
    writer.write(b"%x\r\n%s\r\n" % (len(event), event))


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pace", type=float, default=0.002)
    options, _ = parser.parse_known_args()
    server = await asyncio.start_server(Server(options.pace).serve, "127.0.0.1", options.port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
