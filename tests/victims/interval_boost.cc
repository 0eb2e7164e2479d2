// interval_boost SECONDS: interval arithmetic with Boost.Interval, which rounds up and down in turn.
#include <boost/numeric/interval.hpp>
#include <chrono>
#include <cstdlib>
#include <iostream>

int main(int count, char **arguments)
{
	if (count != 2)
		return 64;
	using Interval = boost::numeric::interval<double>;
	const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(std::atof(arguments[1]));
	Interval x(0.1, 0.2);
	std::cout << "hashing 0\n" << std::flush;
	while (std::chrono::steady_clock::now() < end) {
		for (int i = 0; i < 1000; ++i)
			x = (x * Interval(0.9, 1.1) + Interval(0.01)) / Interval(1.05, 1.2);
		if (boost::numeric::width(x) > 1)
			x = Interval(0.1, 0.2);
	}
	return boost::numeric::width(x) < 0 ? 1 : 0;
}
