/* cache_empty.c - the process that does nothing, for cache_start. */
int main(void)
{
    return 0;
}
