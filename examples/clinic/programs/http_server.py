"""The server of Python's standard library: idle without clients, busy with them."""

import http.server
import json


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"ok\n")

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
print("READY", json.dumps({"port": server.server_port}), flush=True)
server.serve_forever()
