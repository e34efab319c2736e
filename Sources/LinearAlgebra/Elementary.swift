import Glibc

/// The C library's elementary functions in Float64, so that other modules need not import it for them.
public enum Elementary {
  public static func log(_ x: Double) -> Double { Glibc.log(x) }
  public static func exp(_ x: Double) -> Double { Glibc.exp(x) }
  /// e^x − 1, precise near 0.
  public static func expm1(_ x: Double) -> Double { Glibc.expm1(x) }
  public static func pow(_ x: Double, _ y: Double) -> Double { Glibc.pow(x, y) }
  public static func cos(_ x: Double) -> Double { Glibc.cos(x) }
  public static func sinh(_ x: Double) -> Double { Glibc.sinh(x) }
  public static func asinh(_ x: Double) -> Double { Glibc.asinh(x) }

  /// ln Γ(x) for x > 0.
  public static func lgamma(_ x: Double) -> Double {
    var sign: Int32 = 0
    return lgamma_r(x, &sign)
  }
}
