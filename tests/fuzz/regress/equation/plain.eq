# 0
ij,jk->ik