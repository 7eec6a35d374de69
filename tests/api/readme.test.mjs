// The tour of the README, line by line.
import { testTour } from './lib/tour.mjs';

testTour('README.md', 15);
