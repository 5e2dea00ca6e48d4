"""Stands between a host and a real engine, hands every byte on and remembers what was asked."""

import re
import socket
import socketserver
import threading
import time
from urllib.parse import urlsplit

_HEAD = re.compile(rb"(GET|POST) (\S+) HTTP/1\.1\r\n((?:[^\r\n]+\r\n)*)\r\n")


class Wiretap:
    """Use as a context: it listens from then on."""

    def __init__(self, engine: str) -> None:
        self._engine = urlsplit(engine)
        self._asked: list[bytearray] = []
        # The pieces of the engine's answers, and when each was handed on, in nanoseconds since the epoch.
        self._answered: list[tuple[int, bytes]] = []
        tap = self

        class Connection(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                tap._connect(self.request)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Connection)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "Wiretap":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def asked(self, path: str) -> list[dict[str, str]]:
        """The headers of the requests for `path` so far, by their names in small letters."""
        found = []
        for stream in list(self._asked):
            for _, asked, headers in _HEAD.findall(bytes(stream)):
                if asked.decode() == path:
                    lines = headers.decode().splitlines()
                    found.append({name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)})
        return found

    def said(self, words: bytes) -> int:
        """When the engine said so last."""
        return max(moment for moment, data in list(self._answered) if words in data)

    def _connect(self, host: socket.socket) -> None:
        asked = bytearray()
        self._asked.append(asked)
        address = (self._engine.hostname, self._engine.port)
        with socket.create_connection(address) as engine:
            back = threading.Thread(target=self._answer, args=(engine, host), daemon=True)
            back.start()
            for data in _received(host):
                asked += data
                engine.sendall(data)
            _close(engine)
            back.join()

    def _answer(self, engine: socket.socket, host: socket.socket) -> None:
        for data in _received(engine):
            # Before they are: what the host does with them comes after.
            self._answered.append((time.time_ns(), data))
            try:
                host.sendall(data)
            except OSError:
                break
        _close(host)


def _received(connection: socket.socket):
    while True:
        try:
            data = connection.recv(64 << 10)
        except OSError:
            return
        if not data:
            return
        yield data


def _close(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # the other side was faster
