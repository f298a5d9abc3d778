# Targets of a release.
