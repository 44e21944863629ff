"""The commands that made the pages of docs/; run them from the root of the repository.

A folder a subject: `python -m benchmarks.nuclei --help`. In `lib` what they share, in `baselines` what they compare to.
"""
