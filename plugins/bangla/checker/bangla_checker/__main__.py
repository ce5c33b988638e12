"""`python -m bangla_checker` is the command `bangla-checker`."""

from bangla_checker.command import main

raise SystemExit(main())
