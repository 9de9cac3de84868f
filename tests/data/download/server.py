"""A web server that serves one archive, and misbehaves as it is told."""

import contextlib
import hashlib
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DATA = b"PK\x03\x04" + bytes(range(256)) * 4000  # 1 MB, like a zip
NAME = "val2017.zip"
DIGEST = f"md5:{hashlib.md5(DATA).hexdigest()}"
SIZE = len(DATA)


class Server(ThreadingHTTPServer):
    """Serves `files`; keeps every request; `cut` bytes are sent before the line goes dead.

    Only the file `troubled` is served as the attributes say.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {NAME: DATA}
        self.troubled = NAME
        self.ranges = True
        self.etag = '"1"'
        self.cut = []
        self.shift = []
        self.headers = {}
        self.endless = False
        self.failures = []
        self.asked = []

    @property
    def base(self):
        return f"http://127.0.0.1:{self.server_port}/mirror"

    def asked_for(self, name):
        return [given for path, given in self.asked if path.endswith(name)]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server, name = self.server, self.path.rpartition("/")[2]
        given = self.headers.get("Range")
        server.asked.append((self.path, given))
        if name not in server.files:
            return self.send_error(404)
        if name == server.troubled and server.failures:
            return self.send_error(server.failures.pop(0))
        data, start = server.files[name], 0
        same = self.headers.get("If-Range") in (None, server.etag)
        if given and server.ranges and same:
            start = int(re.fullmatch(r"bytes=(\d+)-", given)[1])
            if start >= len(data):
                return self.send_error(416)
            self.send_response(206)
            start += server.shift.pop(0) if server.shift else 0
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            self.send_response(200)
        headers = {"Content-Length": str(len(data) - start), "ETag": server.etag}
        for key, value in (headers | (server.headers if name == server.troubled else {})).items():
            if value is not None:
                self.send_header(key, value)
        self.end_headers()
        if server.endless and name == server.troubled:
            with contextlib.suppress(ConnectionError):
                while True:
                    self.wfile.write(data)
        end = start + server.cut.pop(0) if name == server.troubled and server.cut else None
        self.wfile.write(data[start:end])
        self.close_connection = True
        return None

    def log_message(self, *_):
        pass


def names(folder):
    return sorted(path.name for path in folder.iterdir())
