# Targets of the static executable.
