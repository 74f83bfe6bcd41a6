"""What TensorBoard's own reader finds in a folder of events, as JSON: scalars as [step, value], pictures as steps."""

import json
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "images": 0})
events.Reload()
tags = events.Tags()
scalars = {tag: [[event.step, event.value] for event in events.Scalars(tag)] for tag in tags["scalars"]}
images = {tag: [event.step for event in events.Images(tag)] for tag in tags["images"]}
print(json.dumps({"scalars": scalars, "images": images}))
