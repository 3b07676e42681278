from .files import write_report as write_report
from .page import make_page as make_page
from .pictures import to_png as to_png
from .pictures import to_svg as to_svg
from .tables import to_csv as to_csv
from .tables import to_latex as to_latex
from .tables import to_markdown as to_markdown
