"""The catalog → one report."""

from .report import ProjectReport as ProjectReport
from .report import project_report as project_report
from .report_page import write_page as write_page
