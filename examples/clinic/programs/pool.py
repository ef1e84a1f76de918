"""Four workers ask a backend that never answers; the main thread still accepts clients."""

import json
import socket
import sys
import threading

backend = ("127.0.0.1", int(sys.argv[1]))
all_asked = threading.Barrier(5)
tids = []


def work():
    connection = socket.create_connection(backend)
    connection.settimeout(None)
    connection.sendall(b"GET\n")
    tids.append(threading.get_native_id())
    all_asked.wait()
    connection.recv(64)


for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
all_asked.wait()
listener = socket.create_server(("127.0.0.1", 0))
print("READY", json.dumps({"port": listener.getsockname()[1], "blocked": tids}), flush=True)
while True:
    client, _ = listener.accept()
    client.recv(64)
    client.sendall(b"ok\n")
    client.close()
