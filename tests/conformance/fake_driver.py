"""A driver that answers from a script, for the tests of the runner: JSON on the command line, operation -> answers."""

import json
import sys

script = json.loads(sys.argv[1])
for line in sys.stdin:
    request = json.loads(line)
    answer = script.get(request.get("op"), {"result": "UNKNOWN_OP"})
    if answer == "die":
        sys.exit(3)
    if isinstance(answer, list):
        # One answer after the other; the last one stays.
        answer = answer.pop(0) if len(answer) > 1 else answer[0]
    print(json.dumps({"id": request.get("id"), **answer}), flush=True)
sys.exit(script.get("exit", 0))
