#!/usr/bin/env bash
# SAHI 0.12.8: by default a small box inside a larger one of its class is merged away, although their IoU is small.
#
# Guess: tiles are merged by IoU, so that a child in front of an adult (IoU 0.06) stays. Seen: the default of
# get_sliced_prediction is GREEDYNMM with IOS, intersection over the smaller box, which is 1 for a box inside
# another: two persons become one. Set match_metric to IOU where people overlap.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check sahi==0.12.8
cd "$folder"
venv/bin/python - <<'PYTHON'
import inspect
from sahi.postprocess.combine import GreedyNMMPostprocess
from sahi.predict import get_sliced_prediction
from sahi.prediction import ObjectPrediction

usual = {
    name: inspect.signature(get_sliced_prediction).parameters[f'postprocess_{name}'].default
    for name in ('type', 'match_metric', 'match_threshold')
}
print('defaults:', usual)
assert usual == {'type': 'GREEDYNMM', 'match_metric': 'IOS', 'match_threshold': 0.5}
def person(box, score):
    return ObjectPrediction(bbox=box, score=score, category_id=0, category_name='person', full_shape=[1000, 1000])
people = [person([100, 100, 500, 900], 0.9), person([250, 400, 350, 600], 0.8)]
left = {metric: len(GreedyNMMPostprocess(0.5, metric)(people)) for metric in ('IOS', 'IOU')}
print('persons left of two:', left)
assert left == {'IOS': 1, 'IOU': 2}
PYTHON
