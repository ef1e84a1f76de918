"""Two threads, each with the lock that the other one wants."""

import json
import threading

locks = threading.Lock(), threading.Lock()
both_hold_one = threading.Barrier(2)
both_started = threading.Barrier(3)
tids = [0, 0]


def hold_and_want(own):
    tids[own] = threading.get_native_id()
    both_started.wait()
    with locks[own]:
        both_hold_one.wait()
        with locks[1 - own]:
            raise SystemExit("this never happens")


threads = [threading.Thread(target=hold_and_want, args=(own,)) for own in (0, 1)]
for thread in threads:
    thread.start()
both_started.wait()
print("READY", json.dumps({"blocked": tids}), flush=True)
threads[0].join()
