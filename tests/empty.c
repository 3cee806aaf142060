/* empty.c - so that the support archive has a source even while support/ is empty. */
typedef int einjit_test_support_is_an_archive;
