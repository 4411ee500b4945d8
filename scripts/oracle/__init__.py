"""An independent referee for circuits: equations, operating points, gradients, transients, plain ngspice.

Nothing here knows the package that it checks: numpy, scipy, the standard library and the program ngspice only.

    description   parts, circuits, and what is wrong with one
    arithmetic    floats, long doubles and decimals behind one face
    laws          currents and slopes of junctions
    equations     modified nodal analysis, part by part
    linear, qr    Gaussian elimination and eigenvalues in long numbers
    solve         operating points
    storage       capacitors where there are none, and the states
    modes         eigenvalues of the dynamics, stability
    gradient      derivatives of a cost by trainable values
    flow          dx/dt in doubles, written a second time
    dynamics      transients and where they end
    spice         netlists, and ngspice's answers
    generate      random circuits (with `sketch` and `block`)
    selftest      python -m oracle.selftest, from scripts/
"""
