"""``python -m trouvaille``: the same as the command ``trouvaille``."""

from trouvaille.cli import main

main()
