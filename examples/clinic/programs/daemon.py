"""Wakes once a minute, finds nothing to do, and sleeps again."""

import time

print("READY {}", flush=True)
while True:
    time.sleep(60)
