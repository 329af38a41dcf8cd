//! How cost grows with size.

/// A straight line through points on two logarithmic axes: `y = factor * x^exponent`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Power {
    /// 1 is linear growth.
    pub exponent: f64,
    /// The cost at size 1.
    pub factor: f64,
}

impl Power {
    /// The best line by least squares; `None` for fewer than two sizes.
    pub fn through(points: &[(f64, f64)]) -> Option<Self> {
        let points: Vec<(f64, f64)> =
            points.iter().filter(|(x, y)| *x > 0.0 && *y > 0.0).map(|(x, y)| (x.ln(), y.ln())).collect();
        let count = points.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
        let (mean_x, mean_y) = (mean(|point| point.0), mean(|point| point.1));
        let spread: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
        if points.len() < 2 || spread == 0.0 {
            return None;
        }
        let exponent = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum::<f64>() / spread;
        Some(Self { exponent, factor: (mean_y - exponent * mean_x).exp() })
    }

    /// The line's value.
    pub fn at(&self, x: f64) -> f64 {
        self.factor * x.powf(self.exponent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponent_of_a_power_is_found() {
        let points: Vec<(f64, f64)> = [1.0_f64, 10.0, 100.0, 1000.0].map(|x| (x, 3.0 * x.powf(1.5))).to_vec();
        let found = Power::through(&points).unwrap();
        assert!((found.exponent - 1.5).abs() < 1e-9 && (found.factor - 3.0).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn one_size_is_no_curve() {
        assert_eq!(Power::through(&[(100.0, 1.0)]), None);
        assert_eq!(Power::through(&[(100.0, 1.0), (100.0, 2.0)]), None);
    }
}
