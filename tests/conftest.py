"""One BLAS thread for the tests.

Their matrices are small: a second thread gains nothing, and where other jobs have the cores each
call waits for it. Processes that tests start inherit it. A value that is set stays.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
