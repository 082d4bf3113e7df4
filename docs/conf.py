"""How Sphinx builds the documentation: `make docs` does, and fails on any warning."""

from __future__ import annotations

import sys
from pathlib import Path

import hwsim

sys.path.insert(0, str(Path(__file__).parent / "extension"))

project = "hwsim"
release = hwsim.__version__
html_title = f"hwsim {release}"
html_theme = "furo"
html_copy_source = False
html_show_copyright = False
extensions = ["myst_parser", "reference", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["extension"]
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]

autodoc_class_signature = "mixed"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_type_aliases = {"npt.ArrayLike": "ArrayLike"}
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
maximum_signature_line_length = 88
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

# A reference that leads nowhere is a warning, unless it leads out of hwsim.
nitpicky = True
nitpick_ignore_regex = [
    (r"py:.*", r"(numpy|np|npt|collections\.abc|concurrent\.futures)\..*"),
    (r"py:.*", r"(datetime|enum|os|pathlib|sys|unittest)\..*"),
    (
        r"py:class",
        r"hwsim\.(_native|aio\.calls|aio\.opening)\..*|hwsim\.fleet\.T|hwsim\.models\.declare\._Method",
    ),
    (r"py:class", r"ArrayLike|Samples|list\[tuple\[int"),
    (r"c:identifier", r"u?int\d+_t|size_t|bool|model_image"),
]
