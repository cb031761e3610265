def measure(stage, row): raise SystemExit("later")
