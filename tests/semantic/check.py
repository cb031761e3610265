"""Prints and judges the figures of `sluice cache evaluate --json`: check.py FILE."""
import json
import sys

with open(sys.argv[1]) as file:
    measured = json.load(file)
print(f"{measured['model']}, {measured['dimensions']} dimensions, threshold {measured['threshold']}")
for half, figures in measured["at_threshold"].items():
    for how in ("similarity_alone", "with_words"):
        one = figures[how]
        print(f"{half:6} {how:16} precision {one['precision']:.3f} recall {one['recall']:.3f} hits {one['hits']} wrong {one['wrong']}")
report = measured["at_threshold"]["report"]
assert report["with_words"]["precision"] >= 0.99, "the threshold lets other questions' answers pass"
assert report["with_words"]["recall"] >= 0.4, "too few repeated questions are found"
assert report["similarity_alone"]["precision"] < 0.9, "the pairs are too easy: similarity alone tells them apart"
