"""DataDog's library for Python, as the other side of an exchange.

write FILE: a sketch of the numbers on standard input, one a line.
read FILE Q...: its count, and its quantiles, one a line.
"""

import sys

from ddsketch.ddsketch import DDSketch
from ddsketch.pb.proto import DDSketchProto, pb

what, path, *quantiles = sys.argv[1:]
if what == "write":
    sketch = DDSketch(0.0075)
    for line in sys.stdin:
        sketch.add(float(line))
    with open(path, "wb") as file:
        file.write(DDSketchProto.to_proto(sketch).SerializeToString())
else:
    with open(path, "rb") as file:
        sketch = DDSketchProto.from_proto(pb.DDSketch.FromString(file.read()))
    print(repr(float(sketch.count)))
    for q in quantiles:
        print(repr(float(sketch.get_quantile_value(float(q)))))
