"""Pure computation: no system call for minutes."""

print("READY {}", flush=True)
value, steps = 1, 0
while True:
    value = (value * 6364136223846793005 + 1442695040888963407) % 2**64
    steps += 1
