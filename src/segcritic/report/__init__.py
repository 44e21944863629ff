"""Pictures and pages for people to look at."""

from segcritic.report.page import write_check, write_report

__all__ = ["write_check", "write_report"]
