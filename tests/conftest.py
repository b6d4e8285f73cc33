import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # for tiny tensors threads cost more than they give
