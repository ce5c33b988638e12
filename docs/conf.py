"""The site. It is built without network, and every warning is an error."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from scionwood import __version__ as release

project = "Scionwood"
author = "The Scionwood developers"
version = release
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_gallery.gen_gallery",
    "sphinx_design",
    "sphinx_copybutton",
    "reference",
    "licences",
    "links",
]
exclude_patterns = ["_build", "_ext", "examples", "decisions/README.md", "**/GALLERY_HEADER.rst"]
myst_enable_extensions = ["attrs_block", "colon_fence", "deflist"]
myst_heading_anchors = 3
default_role = "literal"  # docstrings write code in single backticks
nitpicky = False
toc_object_entries_show_parents = "hide"  # the list of a page is narrow

autodoc_typehints = "none"  # the signature shows them
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False

LOGO = "_static/logo.svg"
html_theme = "pydata_sphinx_theme"
html_title = "Scionwood"
html_favicon = LOGO
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_context = {"default_mode": "auto"}  # the theme logs a warning at the first visit without it
html_sidebars = {"index": []}
html_theme_options = {
    "logo": {
        "image_light": LOGO,
        "image_dark": LOGO,
        "text": "Scionwood",
        "alt_text": "A grafted twig",
    },
    "header_links_before_dropdown": 5,
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "secondary_sidebar_items": {"**": ["page-toc"], "index": []},
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
if versions := os.environ.get("SCIONWOOD_VERSIONS"):  # the address of the list of versions
    html_theme_options |= {
        "switcher": {"json_url": versions, "version_match": os.environ["SCIONWOOD_VERSION"]},
        "navbar_end": ["version-switcher", "theme-switcher", "navbar-icon-links"],
        "check_switcher": False,  # a build asks nothing of the network
    }
sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/plot_",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "reset_modules": ("matplotlib", "gallery_style.apply"),
    "write_computation_times": False,  # its page loads scripts of others
    "remove_config_comments": True,
    "min_reported_time": 0,
    "thumbnail_size": (480, 300),
    "within_subsection_order": "FileNameSortKey",  # the pages of a field beside each other
    "capture_repr": ("_repr_html_", "__repr__"),
}

# `make docs-links` asks each external address once; a site that is slow today is asked again.
linkcheck_timeout = 20
linkcheck_retries = 3
linkcheck_workers = 10
linkcheck_anchors = False  # many sites write their anchors by script
linkcheck_allow_unauthorized = True  # publishers refuse programs, though the page is there
linkcheck_report_timeouts_as_broken = False
