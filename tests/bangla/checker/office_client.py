"""Installs the extension in a LibreOffice without a window, and prints what it marks.

It runs in the Python that has `uno`, as a user who is not root: unopkg refuses root.
"""

import json
import subprocess
import sys
import time

import uno
from com.sun.star.lang import Locale

home, extension = sys.argv[1:]
env = f"-env:UserInstallation=file://{home}"
subprocess.run(["unopkg", "add", env, extension], check=True, stdout=subprocess.DEVNULL)
pipe = f"pipe,name={home.rpartition('/')[2]};urp;"
office = subprocess.Popen(["soffice", env, "--headless", "--norestore", f"--accept={pipe}"])
local = uno.getComponentContext()
resolver = local.ServiceManager.createInstance("com.sun.star.bridge.UnoUrlResolver")
for _ in range(600):
    try:
        context = resolver.resolve(f"uno:{pipe}StarOffice.ComponentContext")
        break
    except uno.getClass("com.sun.star.connection.NoConnectException"):
        time.sleep(0.5)
create, bangla = context.ServiceManager.createInstance, Locale("bn", "BD", "")
services = create("com.sun.star.linguistic2.LinguServiceManager")
text = "😀 আপনি কেমন আছ?"
checker = create("org.scionwood.BanglaProofreader")
marks = checker.doProofreading("letter", text, bangla, 0, len(text), ()).aErrors
spelling = create("com.sun.star.linguistic2.SpellChecker")
record = {
    "configured": services.getConfiguredServices("com.sun.star.linguistic2.Proofreader", bangla),
    "marks": [(m.nErrorStart, m.nErrorLength, m.aRuleIdentifier, m.aSuggestions) for m in marks],
    "spelling": [spelling.isValid(word, bangla, ()) for word in ("আপনি", "আপনী")]
    if spelling.hasLocale(bangla)
    else [],
}
print(json.dumps(record))
create("com.sun.star.frame.Desktop").terminate()
office.wait(60)
