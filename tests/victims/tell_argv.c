/* tell_argv WORD: exits with 42 if WORD begins with a "c", else with 0: says which of two words it really got. */
int main(int argc, char **argv)
{
	return argc > 1 && argv[1][0] == 'c' ? 42 : 0;
}
